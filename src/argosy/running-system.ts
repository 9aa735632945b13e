import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { enabledUnits } from "./systemd-units.ts";

const run = promisify(execFile);

/** A unit that has not started or stopped after this many ms is reported. */
const systemctlLimitMs = 120_000;

/** Whether `root` is this machine's own and systemd is its init (sd_booted(3)). */
export async function isRunningSystem(root: string): Promise<boolean> {
  if (root !== "/") return false;
  return await access("/run/systemd/system").then(
    () => true,
    () => false,
  );
}

/** What an installation onto the running machine brought. */
interface Installed {
  /** Units that were not there before; they were enabled and have to be started. */
  readonly fresh: ReadonlySet<string>;
  /** Units that were there with another text. */
  readonly changed: ReadonlySet<string>;
  /** Whether services that already ran have to be restarted to get the new version. */
  readonly programChanged: boolean;
  readonly log: (line: string) => void;
}

/** Makes systemd read the new units, starts those that are new and restarts services whose program changed. */
export async function activate({ fresh, changed, programChanged, log }: Installed): Promise<void> {
  await systemctl("daemon-reload");
  // Targets are points of a boot; the next one reaches them.
  const names = enabledUnits.map(({ unit }) => unit).filter((unit) => !unit.endsWith(".target"));
  const started = names.filter((unit) => fresh.has(unit));
  if (started.length > 0) {
    // Debian's own etcd, when it runs, holds the ports and the unit name: it makes room. Its data stays where it is.
    if (fresh.has("etcd.service")) await systemctl("stop", "etcd.service");
    await systemctl("start", ...started.filter((unit) => unit.endsWith(".socket")));
    await systemctl("start", ...started.filter((unit) => unit.endsWith(".service")));
    log(`started ${started.join(", ")}`);
  }
  const restarted = names.filter(
    (unit) => !fresh.has(unit) && unit.endsWith(".service") && unit !== "etcd-member.service",
  );
  if (!programChanged || restarted.length === 0) return;
  // A socket stays open when its service is restarted, and is opened anew only for what its unit says now. One that is closed is
  // opened between the service's end and its new start; to restart both at once is refused by systemd every other time.
  const sockets = await active(names.filter((unit) => changed.has(unit) && unit.endsWith(".socket")));
  if (sockets.length > 0) await systemctl("stop", ...sockets);
  await systemctl("try-restart", ...restarted);
  if (sockets.length > 0) await systemctl("start", ...sockets);
  log(`restarted ${[...sockets, ...restarted].join(", ")} where they ran`);
}

/** Those of the units that are active now. */
async function active(units: readonly string[]): Promise<readonly string[]> {
  const states = await Promise.all(
    units.map(
      async (unit) =>
        await run("systemctl", ["is-active", "--quiet", unit], { timeout: systemctlLimitMs }).then(
          () => true,
          () => false,
        ),
    ),
  );
  return units.filter((_, index) => states[index]);
}

async function systemctl(...words: readonly string[]): Promise<void> {
  try {
    await run("systemctl", words, { timeout: systemctlLimitMs });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n")[0];
    throw new Fault(
      "systemd-refused",
      `cannot run "systemctl ${words.join(" ")}": ${said || sentenceOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
