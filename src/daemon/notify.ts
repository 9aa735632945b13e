import { spawn } from "node:child_process";
import { sentenceOf } from "../lib/fault.ts";
import type { Log } from "../lib/env.ts";

/** systemd-notify waits until systemd has read the message; this many ms later it is not going to. */
const notifyLimitMs = 5000;

/** Tells systemd about this daemon (sd_notify(3)). Calls never reject; without systemd they do nothing. */
export interface Notifier {
  /** Start-up (or a reload) is finished: sockets are served. */
  ready(): Promise<void>;
  /** The daemon is on its way out. */
  stopping(): Promise<void>;
  /** The settings are being read again; `ready` follows. */
  reloading(): Promise<void>;
  /** One line that `systemctl status` shows. */
  status(sentence: string): Promise<void>;
}

/**
 * A notifier for the socket that `environment` names. Node has no unix datagram sockets, so systemd's own program
 * sends the message, and units need `NotifyAccess=all`. Messages are sent in the order of the calls.
 */
export function openNotifier(environment: NodeJS.ProcessEnv, log: Log): Notifier {
  if (!environment["NOTIFY_SOCKET"]) {
    return { ready: nothing, stopping: nothing, reloading: nothing, status: nothing };
  }
  let last: Promise<void> = Promise.resolve();
  const send = (message: string): Promise<void> => {
    last = last.then(() => systemdNotify(message, environment, log));
    return last;
  };
  return {
    ready: () => send("READY=1"),
    stopping: () => send("STOPPING=1"),
    reloading: () => send("RELOADING=1"),
    status: (sentence) => send(`STATUS=${sentence.replaceAll(/\s*\n\s*/g, " ")}`),
  };
}

async function nothing(): Promise<void> {}

function systemdNotify(message: string, environment: NodeJS.ProcessEnv, log: Log): Promise<void> {
  return new Promise((resolve) => {
    const failed = (why: string): void => {
      log.warning(`cannot tell systemd ${message}: ${why}`);
      resolve();
    };
    const child = spawn("systemd-notify", [message], {
      env: environment,
      stdio: ["ignore", "ignore", "ignore"],
      timeout: notifyLimitMs,
    });
    child.once("error", (error) => failed(sentenceOf(error)));
    child.once("exit", (code, signal) => {
      if (code === 0) resolve();
      else failed(`systemd-notify ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}
