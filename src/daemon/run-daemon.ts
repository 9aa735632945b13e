import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import type { LogLevel } from "./journal-log.ts";
import { type Notifier, openNotifier } from "./notify.ts";
import { realEnv } from "./real-env.ts";

/** A daemon that has not stopped this many ms after it was asked to is ended; well below the units' TimeoutStopSec. */
const stopLimitMs = 30_000;

/**
 * How long a daemon whose settings cannot be waits before it ends, in ms. systemd starts it again at once, and it fails in the same way
 * until somebody changes them: that must not keep a processor busy, nor fill the journal.
 */
const wrongSettingsPauseMs = 5_000;

/** What ps, pidof and journalctl's _COMM= call the daemons that CoreOS had too, in place of Node: the names of its own programs. */
const programNames: Readonly<Record<string, string>> = {
  fleet: "fleetd",
  locksmithd: "locksmithd",
  "update-engine": "update_engine",
};

/** What a daemon's process can do besides its Env. */
export interface DaemonProcess {
  readonly notifier: Notifier;
  /** Takes effect at once, for this process's Env. */
  setLogLevel(level: LogLevel): void;
  /** Calls `reload` at every SIGHUP, between systemd's RELOADING and READY; without it SIGHUP is only logged. */
  onReload(reload: () => Promise<void>): void;
  /** Writes what `describe` gives as one line of JSON to standard output at every SIGUSR1; without it that is only logged. */
  onDump(describe: () => object): void;
}

/**
 * Runs a daemon to its end and returns its exit code: 0 when it was asked to stop and did, 1 after a failure, which
 * is one line in the log, and takes a moment longer when it is the Fault `wrong-setting`. SIGTERM and SIGINT abort `signal`; a second one, or the stop limit, ends the process.
 * `run` may return or reject with the signal's reason; whatever it rejects with otherwise is a failure, and so is any
 * error that nothing caught.
 */
export async function runDaemon(
  name: string,
  run: (env: Env, signal: AbortSignal, daemon: DaemonProcess) => Promise<void>,
): Promise<number> {
  const env = realEnv();
  const title = programNames[name];
  if (title !== undefined) process.title = title;
  const notifier = openNotifier(process.env, env.log);
  const controller = new AbortController();
  const { promise: broken, reject: breakWith } = Promise.withResolvers<never>();
  let reload: (() => Promise<void>) | undefined;
  let describe: (() => object) | undefined;

  const stop = (systemSignal: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      env.log.warning(`${name} ends at once: ${systemSignal} came a second time`);
      process.exit(1);
    }
    env.log.info(`${name} stops`, { signal: systemSignal });
    void notifier.stopping();
    setTimeout(
      () => breakWith(new Fault("stop-limit", `it did not stop within ${stopLimitMs / 1000} s`)),
      stopLimitMs,
    ).unref();
    controller.abort(new Fault("stop-requested", `${name} was asked to stop by ${systemSignal}`));
  };
  const hangUp = async (): Promise<void> => {
    if (!reload) return env.log.info(`${name} has nothing to read again at SIGHUP`);
    await notifier.reloading();
    await reload().catch((error: unknown) => {
      env.log.error(`${name} keeps its settings: ${sentenceOf(error)}`);
    });
    await notifier.ready();
  };
  const dump = (): void => {
    if (describe) process.stdout.write(`${JSON.stringify(describe())}\n`);
    else env.log.info(`${name} has nothing to tell at SIGUSR1`);
  };
  // Node would open its debugger at SIGUSR1, which nobody wants of a daemon.
  process.on("SIGUSR1", dump);
  process.on("SIGTERM", stop).on("SIGINT", stop);
  process.on("SIGHUP", () => void hangUp().catch(breakWith));
  process.on("uncaughtException", breakWith).on("unhandledRejection", breakWith);

  env.log.info(`${name} starts`, { pid: process.pid, node: process.version });
  try {
    const daemon = {
      notifier,
      setLogLevel: (level: LogLevel) => env.log.setLevel(level),
      onReload: (read: () => Promise<void>) => (reload = read),
      onDump: (tell: () => object) => (describe = tell),
    };
    await Promise.race([run(env, controller.signal, daemon), broken]);
  } catch (error) {
    if (!controller.signal.aborted || error !== controller.signal.reason) {
      // A Fault is a failure of the world and its sentence says all; for a bug, where it happened matters.
      const where = error instanceof Error && !(error instanceof Fault) ? error.stack : undefined;
      env.log.error(`${name} fails: ${sentenceOf(error)}`, { where });
      if (isFault(error, "wrong-setting"))
        await env.clock.sleep(wrongSettingsPauseMs, controller.signal).catch(() => undefined);
      return 1;
    }
  }
  env.log.info(`${name} has stopped`);
  return 0;
}
