import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { hashUnitText } from "../unit/hash.ts";
import { installOf } from "../unit/install.ts";
import { problemWithName, splitName } from "../unit/name.ts";
import { parseUnitFile } from "../unit/parse.ts";
import type { UnitName } from "./model.ts";
import type { ManagedUnit, UnitManager, UnitOutcome, UnitRestart, UnitSource } from "./unit-manager.ts";

type Operation = "load" | "prepare" | "start" | "restart" | "stop" | "kill" | "unload";

interface FakeUnit {
  readonly text: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly result?: string;
}

/**
 * A service manager in memory, with systemd's rules as far as fleet's agent can see them. What a unit does is read from
 * its text: a oneshot of `/bin/false` fails, a oneshot of `/bin/true` ends well, a service without ExecStart is
 * `bad-setting`, a long `ExecStart` runs until it is stopped.
 *
 * The public fields are knobs for tests and simulations.
 */
export class FakeUnitManager implements UnitManager {
  /** How long every call takes on the clock of `env`, in milliseconds. */
  callMs = 0;
  /** While true every call throws Fault `manager-unavailable`. */
  unavailable = false;
  /** What `stopping()` answers. */
  shuttingDown = false;
  /** Told whenever a unit begins or ends to be active. */
  onActive: ((name: UnitName, active: boolean) => void) | undefined;
  /** Every call that named units, oldest first. */
  readonly calls: { readonly operation: Operation; readonly names: readonly UnitName[] }[] = [];
  /** How many times a batch needed the manager to read its files again. */
  reloads = 0;

  readonly #env: Env;
  readonly #units = new Map<UnitName, FakeUnit>();
  readonly #refusals = new Map<string, string>();
  readonly #listeners = new Set<(changed: readonly ManagedUnit[] | undefined) => void>();
  readonly #changed = new Set<UnitName>();
  /** How often each unit was started. */
  readonly #starts = new Map<UnitName, number>();

  constructor(env: Env) {
    this.#env = env;
  }

  /** Makes every further `operation` on `name` end with `problem`; without a problem it works again. */
  refuse(operation: Operation, name: UnitName, problem?: string): void {
    if (problem === undefined) this.#refusals.delete(`${operation} ${name}`);
    else this.#refusals.set(`${operation} ${name}`, problem);
  }

  /** The unit changes by itself, as when its process ends. */
  change(name: UnitName, to: { active: string; sub: string; result?: string }): void {
    const unit = this.#units.get(name);
    if (unit === undefined) throw new Fault("unit-unknown", `cannot change ${name}: it is not loaded`);
    this.#set(name, { ...unit, ...to });
  }

  /** The manager was restarted: units stay, subscribers have to read everything afresh. */
  managerRestarted(): void {
    for (const listener of this.#listeners) listener(undefined);
  }

  /** The text that was loaded for `name`. */
  textOf(name: UnitName): string | undefined {
    return this.#units.get(name)?.text;
  }

  async list(): Promise<readonly ManagedUnit[]> {
    await this.#reach();
    return [...this.#units.keys()].sort().map((name) => this.#managed(name));
  }

  async load(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]> {
    await this.#begin(
      "load",
      units.map((unit) => unit.name),
    );
    if (units.some((unit) => this.#differs(unit))) this.reloads++;
    return units.map((unit) => this.#outcome("load", unit.name, () => this.#load(unit)));
  }

  async prepare(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]> {
    await this.#reach();
    return units.map(({ name }) => this.#outcome("prepare", name, () => undefined));
  }

  async start(
    names: readonly UnitName[],
    taken: (name: UnitName) => void = () => undefined,
  ): Promise<readonly UnitOutcome[]> {
    await this.#begin("start", names);
    return names.map((name) => {
      const missing = this.#missingPeer(name);
      if (missing !== undefined) return lacking("start", name, missing);
      return this.#outcome("start", name, () => {
        if (this.#units.get(name)?.load === "loaded") taken(name);
        return this.#start(name);
      });
    });
  }

  async invocation(name: UnitName): Promise<string> {
    await this.#reach();
    return this.#invocation(name);
  }

  async restart(
    restarts: readonly UnitRestart[],
    taken: (name: UnitName) => void = () => undefined,
  ): Promise<readonly UnitOutcome[]> {
    await this.#reach();
    const due = restarts.filter(({ name, from }) => from === undefined || from === this.#invocation(name));
    if (due.length > 0) this.calls.push({ operation: "restart", names: due.map(({ name }) => name) });
    return restarts.map((restart) => {
      const { name } = restart;
      if (!due.includes(restart)) return { name };
      const missing = this.#missingPeer(name);
      if (missing !== undefined) return lacking("restart", name, missing);
      return this.#outcome("restart", name, () => {
        if (this.#units.get(name)?.load === "loaded") taken(name);
        this.#stop(name);
        return this.#start(name, "restart");
      });
    });
  }

  async stop(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    await this.#begin("stop", names);
    return names.map((name) => this.#outcome("stop", name, () => this.#stop(name)));
  }

  async kill(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    await this.#begin("kill", names);
    return names.map((name) => this.#outcome("kill", name, () => this.#stop(name)));
  }

  async unload(names: readonly UnitName[]): Promise<readonly UnitOutcome[]> {
    await this.#begin("unload", names);
    return names.map((name) => this.#outcome("unload", name, () => this.#unload(name)));
  }

  subscribe(listener: (changed: readonly ManagedUnit[] | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stopping(): Promise<boolean> {
    await this.#reach();
    return this.shuttingDown;
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  async #reach(): Promise<void> {
    if (this.callMs > 0) await this.#env.clock.sleep(this.callMs);
    if (this.unavailable) {
      throw new Fault("manager-unavailable", "cannot reach systemd: the fake was told to be unavailable");
    }
  }

  async #begin(operation: Operation, names: readonly UnitName[]): Promise<void> {
    await this.#reach();
    this.calls.push({ operation, names: [...names] });
  }

  #outcome(operation: Operation, name: UnitName, carryOut: () => string | undefined): UnitOutcome {
    const problem = this.#refusals.get(`${operation} ${name}`) ?? carryOut();
    return problem === undefined ? { name } : { name, problem };
  }

  #differs(unit: UnitSource): boolean {
    const present = this.#units.get(unit.name);
    return present !== undefined && present.text !== unit.text;
  }

  #load(unit: UnitSource): string | undefined {
    const nameProblem = problemWithName(unit.name);
    if (nameProblem !== undefined) return `cannot load ${unit.name}: ${nameProblem}`;
    if (installOf(parseUnitFile(unit.text).file) === "nowhere") {
      return `Failed to enable systemd unit ${unit.name}: its [Install] section names nothing to install it into`;
    }
    const present = this.#units.get(unit.name);
    const load = loadStateOf(unit);
    this.#set(unit.name, { active: "inactive", sub: "dead", ...present, text: unit.text, load });
    if (load === "loaded") return undefined;
    return `cannot load ${unit.name}: systemd calls its unit file ${load}; see systemctl status ${unit.name}`;
  }

  /** A unit that this one cannot do without and that is not here; names of instances stand written out. */
  #missingPeer(name: UnitName): UnitName | undefined {
    return parseUnitFile(this.#units.get(name)?.text ?? "")
      .file.filter((option) => option.section === "Unit" && ["BindsTo", "Requires"].includes(option.name))
      .map((option) => option.value)
      .find((peer) => !this.#units.has(peer));
  }

  #start(name: UnitName, verb: "start" | "restart" = "start"): string | undefined {
    const unit = this.#units.get(name);
    if (splitName(name)?.isTemplate)
      return `cannot ${verb} ${name}: it is a template; ${verb} an instance of it`;
    if (unit === undefined) return `cannot ${verb} ${name}: it is not loaded; load it first`;
    if (unit.load !== "loaded") return `cannot ${verb} ${name}: its load state is ${unit.load}`;
    if (unit.active === "active") return undefined;
    this.#starts.set(name, (this.#starts.get(name) ?? 0) + 1);
    const started = afterStart(name, unit.text);
    const { result: _before, ...rest } = unit;
    this.#set(name, { ...rest, ...started });
    if (started.active !== "failed") return undefined;
    return `cannot ${verb} ${name}: its ${verb} job failed (result ${started.result}); see journalctl -u ${name}`;
  }

  #invocation(name: UnitName): string {
    return this.#starts.get(name)?.toString() ?? "";
  }

  #stop(name: UnitName): string | undefined {
    const unit = this.#units.get(name);
    if (unit !== undefined && unit.active !== "inactive" && unit.active !== "failed") {
      this.#set(name, { ...unit, active: "inactive", sub: "dead" });
    }
    return undefined;
  }

  #unload(name: UnitName): string | undefined {
    const unit = this.#units.get(name);
    if (unit === undefined) return undefined;
    if (unit.active !== "inactive" && unit.active !== "failed") {
      return `cannot unload ${name}: it is ${unit.active}; stop it first`;
    }
    this.#units.delete(name);
    this.#changed.delete(name);
    return undefined;
  }

  #set(name: UnitName, unit: FakeUnit): void {
    const before = this.#units.get(name)?.active === "active";
    this.#units.set(name, unit);
    if (before !== (unit.active === "active")) this.onActive?.(name, !before);
    if (this.#changed.size === 0) queueMicrotask(() => this.#tell());
    this.#changed.add(name);
  }

  #tell(): void {
    const changed = [...this.#changed].map((name) => this.#managed(name));
    this.#changed.clear();
    if (changed.length === 0) return;
    for (const listener of this.#listeners) listener(changed);
  }

  #managed(name: UnitName): ManagedUnit {
    const unit = this.#units.get(name);
    if (unit === undefined) throw new Fault("unit-unknown", `cannot describe ${name}: it is not loaded`);
    const { text, load, active, sub } = unit;
    const result = unit.result ?? (typesWithoutResult.has(suffixOf(name)) ? undefined : "success");
    return { name, hash: hashUnitText(text), load, active, sub, ...(result === undefined ? {} : { result }) };
  }
}

/** What is told of a start that a unit is in the way of which is not there. */
function lacking(verb: "start" | "restart", name: UnitName, missing: UnitName): UnitOutcome {
  return {
    name,
    problem: `cannot ${verb} ${name}: systemd says: Unit ${missing} not found.`,
    lacksUnit: true,
  };
}

const typesWithoutResult: ReadonlySet<string> = new Set(["target", "slice", "device"]);

/** The SubState a unit of that type has when it is active. */
const activeSubs: Readonly<Record<string, string>> = {
  service: "running",
  socket: "listening",
  timer: "waiting",
  path: "waiting",
  mount: "mounted",
};

function suffixOf(name: UnitName): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function loadStateOf(unit: UnitSource): string {
  const isService = suffixOf(unit.name) === "service";
  return isService && !/^Exec(Start|Stop)=./m.test(unit.text) ? "bad-setting" : "loaded";
}

function afterStart(name: UnitName, text: string): { active: string; sub: string; result?: string } {
  if (!/^Type=oneshot$/m.test(text)) return { active: "active", sub: activeSubs[suffixOf(name)] ?? "active" };
  if (/^ExecStart=\/bin\/false$/m.test(text)) return { active: "failed", sub: "failed", result: "exit-code" };
  if (/^RemainAfterExit=(yes|true|1|on)$/m.test(text)) return { active: "active", sub: "exited" };
  return { active: "inactive", sub: "dead", result: "success" };
}
