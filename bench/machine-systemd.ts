import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Env } from "../src/lib/env.ts";
import { Bus, type Signal } from "../src/systemd/bus.ts";
import { Manager, managerInterface, managerPath, systemdName } from "../src/systemd/manager.ts";
import { pathOfUnit } from "../src/systemd/object-path.ts";

/** Where the benchmark's own units lie, apart from fleet's. */
const directory = "/run/argosy-bench";

/** One machine's systemd, seen from outside through its first process: for the truth about times, and for the limit. */
export class MachineSystemd {
  readonly #root: string;
  readonly #bus: Bus;
  readonly #manager: Manager;
  readonly #jobs = new Map<string, () => void>();
  readonly #ended = new Set<string>();

  /** @param pid the machine's first process, as this machine numbers it */
  constructor(env: Env, pid: number) {
    this.#root = `/proc/${pid}/root`;
    const address = `unix:path=${this.#root}/run/dbus/system_bus_socket`;
    this.#bus = new Bus(env, address, {
      greet: async () => {
        await this.#bus.match(`type='signal',sender='${systemdName}',member='JobRemoved'`);
        await this.#manager.subscribe();
      },
      signal: (signal) => this.#hear(signal),
      restored: () => undefined,
    });
    this.#manager = new Manager(this.#bus);
  }

  async connect(): Promise<void> {
    await this.#bus.connect();
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  /** When systemd says the unit became active last, in ms since 1970; undefined when it never did. */
  async activeSinceMs(unit: string): Promise<number | undefined> {
    const value = await this.#bus.call({
      destination: systemdName,
      path: pathOfUnit(unit),
      interface: "org.freedesktop.DBus.Properties",
      member: "Get",
      signature: "ss",
      body: ["org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp"],
    });
    const microseconds = Number(unwrapped(value));
    return microseconds === 0 ? undefined : microseconds / 1000;
  }

  /** Names of units like these that systemd has in memory and not at rest. */
  async running(pattern: string): Promise<number> {
    const rows = await this.#bus.call({
      destination: systemdName,
      path: managerPath,
      interface: managerInterface,
      member: "ListUnitsByPatterns",
      signature: "asas",
      body: [["active", "activating", "deactivating"], [pattern]],
    });
    return Array.isArray(rows) ? rows.length : 0;
  }

  /** The limit: writes the files, links them in one call, starts all, and waits for the end of each job. */
  async startDirectly(units: readonly { readonly name: string; readonly text: string }[]): Promise<void> {
    await mkdir(this.#root + directory, { recursive: true });
    await Promise.all(units.map(({ name, text }) => writeFile(join(this.#root + directory, name), text)));
    await this.#bus.call({
      destination: systemdName,
      path: managerPath,
      interface: managerInterface,
      member: "LinkUnitFiles",
      signature: "asbb",
      body: [units.map(({ name }) => join(directory, name)), true, true],
    });
    await Promise.all(units.map(({ name }) => this.#job("StartUnit", name)));
  }

  async stopDirectly(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#job("StopUnit", name)));
    await this.#manager.disable(names);
    await rm(this.#root + directory, { recursive: true, force: true });
    await this.#manager.reload();
  }

  async #job(member: "StartUnit" | "StopUnit", name: string): Promise<void> {
    const path = String(
      await this.#bus.call({
        destination: systemdName,
        path: managerPath,
        interface: managerInterface,
        member,
        signature: "ss",
        body: [name, "replace"],
      }),
    );
    // The end of a job may be heard before the answer to the call that made it.
    if (this.#ended.delete(path)) return;
    await new Promise<void>((resolve) => this.#jobs.set(path, resolve));
  }

  #hear(signal: Signal): void {
    if (signal.member !== "JobRemoved") return;
    const path = String(signal.body[1]);
    const resolve = this.#jobs.get(path);
    if (resolve === undefined) this.#ended.add(path);
    this.#jobs.delete(path);
    resolve?.();
  }
}

function unwrapped(value: unknown): unknown {
  if (Array.isArray(value) && value.length === 2) return unwrapped(value[1]);
  if (Array.isArray(value) && value.length === 1) return unwrapped(value[0]);
  if (typeof value === "object" && value !== null && "value" in value) return unwrapped(value.value);
  return value;
}
