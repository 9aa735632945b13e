import type { UnitName } from "../fleet/model.ts";
import type {
  ManagedUnit,
  UnitManager,
  UnitOutcome,
  UnitRestart,
  UnitSource,
} from "../fleet/unit-manager.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { splitName } from "../unit/name.ts";
import { Bus, type Signal, systemBusAddress } from "./bus.ts";
import { JobRunner } from "./job-runner.ts";
import { loadUnits, prepareUnits, unitRows } from "./load.ts";
import { hasResult, Manager, managerInterface, systemdName, unitInterface, type UnitRow } from "./manager.ts";
import { unitOfPath } from "./object-path.ts";
import { Reloads } from "./reloads.ts";
import { UnitDirectory } from "./unit-directory.ts";
import { resultIsOpen, UnitStates } from "./unit-states.ts";
import { unloadUnits } from "./unload.ts";

export interface SystemdOptions {
  /** The folder for the unit files as systemd sees it, an absolute path; default /run/fleet/units. */
  readonly unitsDirectory?: string;
  /** The D-Bus address of the bus systemd is on; default the system bus. */
  readonly busAddress?: string;
  /** Put in front of every path that is opened here, not of those systemd is told: for a machine seen from outside. */
  readonly rootDirectory?: string;
}

/**
 * The machine's systemd as a UnitManager, over D-Bus (org.freedesktop.systemd1(5)).
 * Throws Fault `manager-unavailable` when the bus cannot be reached; later losses heal by themselves. While the bus is
 * away every call throws that Fault, and a start or stop under way goes on when it is back.
 */
export async function openSystemdUnitManager(env: Env, options: SystemdOptions = {}): Promise<UnitManager> {
  const inside = options.unitsDirectory ?? "/run/fleet/units";
  const directory = new UnitDirectory(inside, options.rootDirectory ?? "");
  const manager = new SystemdUnitManager(env, directory, options.busAddress ?? systemBusAddress);
  await manager.open();
  return manager;
}

/** The signals that matter, as match rules of the D-Bus specification. */
const matchRules = [
  `type='signal',sender='${systemdName}',interface='${managerInterface}',member='JobRemoved'`,
  `type='signal',sender='${systemdName}',interface='${managerInterface}',member='Reloading'`,
  `type='signal',sender='${systemdName}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit',arg0='${unitInterface}'`,
  `type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${systemdName}'`,
];

class SystemdUnitManager implements UnitManager {
  readonly #env: Env;
  readonly #directory: UnitDirectory;
  readonly #bus: Bus;
  readonly #manager: Manager;
  readonly #runner: JobRunner;
  readonly #states = new UnitStates();
  readonly #listeners = new Set<(changed: readonly ManagedUnit[] | undefined) => void>();
  #telling = false;
  /** Resolves when what changed until now has been told. */
  #told: Promise<unknown> = Promise.resolve();
  /** Reloads of our own that systemd has not announced the end of. */
  #ownReloads = 0;
  readonly #reloads = new Reloads(() => this.#reloadNow());

  constructor(env: Env, directory: UnitDirectory, address: string) {
    this.#env = env;
    this.#directory = directory;
    this.#bus = new Bus(env, address, {
      greet: () => this.#greet(),
      signal: (signal) => this.#receive(signal),
      restored: () => this.#restore("the message bus came back"),
    });
    this.#manager = new Manager(this.#bus);
    this.#runner = new JobRunner(env, this.#manager, directory);
  }

  /** Connects, and lets systemd read again what a predecessor may have written without telling it. */
  async open(): Promise<void> {
    await this.#bus.connect();
    const held = await this.#manager.unitsHeld([...this.#directory.hashes().keys()]);
    for (const unit of held) {
      if (!(await this.#manager.needsReload(unit.name))) continue;
      try {
        return await this.#reloads.reload([]);
      } catch (error) {
        if (!isFault(error, "bus-refused")) throw error;
        this.#env.log.warning(`systemd does not read unit files again: ${sentenceOf(error)}`);
        return;
      }
    }
  }

  async list(): Promise<readonly ManagedUnit[]> {
    return await this.#reading(async () => {
      const hashes = this.#directory.hashes();
      const names = [...hashes.keys()].filter((name) => !splitName(name)?.isTemplate);
      const rows = new Map((await unitRows(this.#manager, names)).map((row) => [row.name, row]));
      const units = await Promise.all(
        [...hashes].map(([name, hash]) => this.#describe(name, hash, rows.get(name))),
      );
      this.#states.putAll(units, (name) => !this.#directory.has(name));
      return units;
    });
  }

  async load(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]> {
    return await this.#reading(async () => {
      const { loaded, problems } = await loadUnits(this.#manager, this.#directory, units, this.#reloads);
      const described = await Promise.all(
        loaded.map(({ name, hash, row }) => this.#describe(name, hash, row)),
      );
      for (const unit of described) this.#states.put(unit);
      return units.map(({ name }) => outcome(name, problems.get(name)));
    });
  }

  async prepare(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]> {
    const problems = await prepareUnits(this.#directory, units, this.#reloads);
    return units.map(({ name }) => outcome(name, problems.get(name)));
  }

  async start(names: readonly UnitName[], taken?: (name: UnitName) => void): Promise<readonly UnitOutcome[]> {
    return await Promise.all(names.map(async (name) => await this.#heard(this.#runner.start(name, taken))));
  }

  async invocation(name: UnitName): Promise<string> {
    return this.#directory.has(name) ? await this.#manager.invocation(name) : "";
  }

  async restart(
    restarts: readonly UnitRestart[],
    taken?: (name: UnitName) => void,
  ): Promise<readonly UnitOutcome[]> {
    return await Promise.all(
      restarts.map(async (restart) => await this.#heard(this.#runner.restart(restart, taken))),
    );
  }

  async stop(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    return await Promise.all(
      names.map(async (name) => outcome(name, await this.#heard(this.#runner.stop(name)))),
    );
  }

  async kill(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    return await Promise.all(names.map(async (name) => outcome(name, await this.#runner.kill(name))));
  }

  async unload(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    const problems = await unloadUnits(this.#manager, this.#directory, names, this.#reloads);
    for (const name of names) if (!problems.has(name)) this.#states.forget(name);
    return names.map((name) => outcome(name, problems.get(name)));
  }

  subscribe(listener: (changed: readonly ManagedUnit[] | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stopping(): Promise<boolean> {
    return (await this.#manager.systemState()) === "stopping";
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#bus.close();
    this.#runner.close();
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    this.#states.beginRead();
    try {
      return await read();
    } finally {
      this.#states.endRead();
      this.#tellSoon();
    }
  }

  async #describe(name: UnitName, text: string, row: UnitRow | undefined): Promise<ManagedUnit> {
    // A text that systemd has not read is not what it would start.
    const hash = this.#reloads.isUnread(name) ? "" : text;
    if (row === undefined) return { name, hash, load: "loaded", active: "inactive", sub: "dead" };
    const { load, active, sub } = row;
    if (!hasResult(name)) return { name, hash, load, active, sub };
    return { name, hash, load, active, sub, result: await this.#resultOf(name, row) };
  }

  async #resultOf(name: UnitName, state: { active: string; sub: string }): Promise<string> {
    if (!resultIsOpen(state)) return "success";
    try {
      return (await this.#manager.result(name)) ?? "success";
    } catch (error) {
      // A unit that systemd let go of in this moment has no result any more.
      if (isFault(error, "bus-refused")) return "success";
      throw error;
    }
  }

  async #reloadNow(): Promise<void> {
    this.#ownReloads++;
    try {
      await this.#manager.reload();
    } finally {
      this.#ownReloads--;
    }
  }

  async #greet(): Promise<void> {
    const rules = matchRules.map((rule) => this.#bus.match(rule));
    await Promise.all([...rules, this.#manager.subscribe()]);
  }

  #receive(signal: Signal): void {
    const { member, body } = signal;
    if (member === "JobRemoved") this.#runner.removed(String(body[1]), String(body[3]));
    else if (member === "PropertiesChanged") this.#change(signal.path, body[1]);
    else if (member === "Reloading" && body[0] === false && this.#ownReloads === 0) this.#tell(undefined);
    else if (member === "NameOwnerChanged" && body[2] !== "") this.#greetAgain();
  }

  /** systemd was restarted under the same bus: it has forgotten who wants its signals. */
  #greetAgain(): void {
    this.#manager.subscribe().then(
      () => this.#restore("systemd was restarted"),
      (error: unknown) => {
        this.#env.log.warning(`systemd does not send its signals, dialling again: ${sentenceOf(error)}`);
        this.#bus.hangUp();
      },
    );
  }

  #restore(why: string): void {
    this.#env.log.info(`${why}: reading every unit afresh`);
    this.#states.missedSignals();
    this.#tell(undefined);
    this.#runner.reconsider().catch((error: unknown) => {
      this.#env.log.warning(`cannot ask for the jobs under way: ${sentenceOf(error)}`);
    });
  }

  #change(path: string, properties: unknown): void {
    const name = unitOfPath(path);
    if (name === undefined || typeof properties !== "object" || properties === null) return;
    const active = "ActiveState" in properties ? String(properties.ActiveState) : undefined;
    const sub = "SubState" in properties ? String(properties.SubState) : undefined;
    const change = { ...(active === undefined ? {} : { active }), ...(sub === undefined ? {} : { sub }) };
    if (this.#states.change(name, change)) this.#tellSoon();
  }

  /** Many signals of one turn of the event loop make one call of the listeners. */
  #tellSoon(): void {
    if (this.#telling || !this.#states.hasChanges) return;
    this.#telling = true;
    const now = new Promise((resolve) => setImmediate(resolve))
      .then(() => this.#tellChanges())
      .catch((error: unknown) => {
        this.#env.log.warning(`cannot read what changed: ${sentenceOf(error)}`);
        this.#tell(undefined);
      });
    const before = this.#told;
    this.#told = now.then(() => before);
  }

  /**
   * Waits until subscribers have heard what a job came to. systemd signals a unit's change ahead of its job's end, but what
   * is told about it may need another question.
   */
  async #heard<T>(job: Promise<T>): Promise<T> {
    const end = await job;
    await this.#told;
    return end;
  }

  async #tellChanges(): Promise<void> {
    this.#telling = false;
    const names = this.#states.takeChanged();
    await Promise.all(names.filter(hasResult).map((name) => this.#readResult(name)));
    const changed = names.map((name) => this.#states.get(name)).filter((unit) => unit !== undefined);
    if (changed.length > 0) this.#tell(changed);
  }

  async #readResult(name: UnitName): Promise<void> {
    const state = this.#states.get(name);
    if (state !== undefined) this.#states.setResult(name, await this.#resultOf(name, state));
  }

  #tell(changed: readonly ManagedUnit[] | undefined): void {
    for (const listener of this.#listeners) listener(changed);
  }
}

function outcome(name: UnitName, problem: string | undefined): UnitOutcome {
  return problem === undefined ? { name } : { name, problem };
}
