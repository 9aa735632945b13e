import type { UnitName } from "../fleet/model.ts";
import { type Bus, isRefusal } from "./bus.ts";
import { jobNumber, pathOfUnit } from "./object-path.ts";

export const systemdName = "org.freedesktop.systemd1";
export const managerPath = "/org/freedesktop/systemd1";
export const managerInterface = "org.freedesktop.systemd1.Manager";
export const unitInterface = "org.freedesktop.systemd1.Unit";

/** One unit as ListUnitsByNames and ListUnitsByPatterns describe it. */
export interface UnitRow {
  readonly name: UnitName;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
}

/** The calls of org.freedesktop.systemd1(5) that fleet needs, typed. All throw what `Bus.call` throws. */
export class Manager {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Asks for signals; systemd forgets it when the bus or systemd itself is restarted. */
  async subscribe(): Promise<void> {
    try {
      await this.#call("Subscribe");
    } catch (error) {
      if (!isRefusal(error, "org.freedesktop.systemd1.AlreadySubscribed")) throw error;
    }
  }

  /** Carries out [Install] until the next boot; false when none of the files has anything to install. */
  async enable(paths: readonly string[]): Promise<boolean> {
    const reply = await this.#call("EnableUnitFiles", "asbb", [paths, true, true]);
    return Array.isArray(reply) && reply[0] === true;
  }

  /** Takes back `enable`. */
  async disable(names: readonly UnitName[]): Promise<void> {
    await this.#call("DisableUnitFiles", "asb", [names, true]);
  }

  /** Makes systemd read all unit files again. */
  async reload(): Promise<void> {
    await this.#call("Reload");
  }

  /** The state of units by name; loads those that are not in memory. Refused as a whole when a name is a template. */
  async unitsNamed(names: readonly UnitName[]): Promise<readonly UnitRow[]> {
    return rowsOf(await this.#call("ListUnitsByNames", "as", [names]));
  }

  /** The units among `names` that systemd has in memory now; loads nothing. */
  async unitsHeld(names: readonly UnitName[]): Promise<readonly UnitRow[]> {
    if (names.length === 0) return [];
    // Names stand for themselves: no glob character can be in one, and systemd takes a backslash in a pattern as it is.
    const patterns = names.length <= mostPatterns ? names : [];
    const rows = rowsOf(await this.#call("ListUnitsByPatterns", "asas", [[], patterns]));
    const wanted = new Set(names);
    return rows.filter((row) => wanted.has(row.name));
  }

  /** Queues a start job and gives its object path. */
  async start(name: UnitName): Promise<string> {
    return String(await this.#call("StartUnit", "ss", [name, "replace"]));
  }

  /** Queues a restart job, which starts a unit that does not run, and gives its object path. */
  async restart(name: UnitName): Promise<string> {
    return String(await this.#call("RestartUnit", "ss", [name, "replace"]));
  }

  /** Queues a stop job and gives its object path. */
  async stop(name: UnitName): Promise<string> {
    return String(await this.#call("StopUnit", "ss", [name, "replace"]));
  }

  /** Sends SIGKILL to all processes of a unit. */
  async kill(name: UnitName): Promise<void> {
    await this.#call("KillUnit", "ssi", [name, "all", sigkill]);
  }

  async resetFailed(name: UnitName): Promise<void> {
    await this.#call("ResetFailedUnit", "s", [name]);
  }

  /** Refused with `org.freedesktop.systemd1.NoSuchJob` when the job has ended. */
  async requireJob(path: string): Promise<void> {
    await this.#call("GetJob", "u", [jobNumber(path)]);
  }

  /** `running`, `degraded`, `stopping` ... */
  async systemState(): Promise<string> {
    return String(await this.#property(managerPath, managerInterface, "SystemState"));
  }

  /** True when systemd's picture of that unit may be older than its files. */
  async needsReload(name: UnitName): Promise<boolean> {
    return (await this.#property(pathOfUnit(name), unitInterface, "NeedDaemonReload")) === true;
  }

  /** Names the unit's last start (systemd.exec(5), INVOCATION_ID); empty when it has never been started. */
  async invocation(name: UnitName): Promise<string> {
    const id = await this.#property(pathOfUnit(name), unitInterface, "InvocationID");
    return id instanceof Uint8Array || Array.isArray(id) ? Buffer.from(id).toString("hex") : "";
  }

  /** A property of every unit that lists other units: `After`, `Requires`, `BindsTo` ... */
  async related(name: UnitName, property: string): Promise<readonly UnitName[]> {
    const names = await this.#property(pathOfUnit(name), unitInterface, property);
    return Array.isArray(names) ? names.map(String) : [];
  }

  /** The Result property (`success`, `exit-code`, ...), or undefined for types that have none. */
  async result(name: UnitName): Promise<string | undefined> {
    const of = resultInterfaces.get(name.slice(name.lastIndexOf(".") + 1));
    if (of === undefined) return undefined;
    return String(await this.#property(pathOfUnit(name), of, "Result"));
  }

  async #property(path: string, of: string, name: string): Promise<unknown> {
    return await this.#bus.call({
      destination: systemdName,
      path,
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      body: [of, name],
    });
  }

  async #call(member: string, signature?: string, body?: readonly unknown[]): Promise<unknown> {
    const call = { destination: systemdName, path: managerPath, interface: managerInterface, member };
    return await this.#bus.call(
      signature === undefined || body === undefined ? call : { ...call, signature, body },
    );
  }
}

/** True when nothing of the unit runs any more. */
export function isDown(unit: { readonly active: string }): boolean {
  return unit.active === "inactive" || unit.active === "failed";
}

/** True for the types of unit that have a Result property. */
export function hasResult(name: UnitName): boolean {
  return resultInterfaces.has(name.slice(name.lastIndexOf(".") + 1));
}

const sigkill = 9;

/** Above this many names it costs systemd less to send every unit it has than to match each against each name. */
const mostPatterns = 16;

const resultInterfaces: ReadonlyMap<string, string> = new Map(
  ["Service", "Socket", "Mount", "Automount", "Swap", "Timer", "Path", "Scope"].map((type) => [
    type.toLowerCase(),
    `${systemdName}.${type}`,
  ]),
);

/** The rows are structs: name, description, load, active, sub, followed, path, job number, job type, job path. */
function rowsOf(reply: unknown): readonly UnitRow[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((row: readonly unknown[]) => {
    return { name: String(row[0]), load: String(row[2]), active: String(row[3]), sub: String(row[4]) };
  });
}
