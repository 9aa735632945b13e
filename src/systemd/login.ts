import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Env } from "../lib/env.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import type { Inhibitor, MachineControl, StopAfter, UnitTies } from "../locksmith/machine-control.ts";
import { Bus, isRefusal, type Signal, systemBusAddress } from "./bus.ts";
import { Jobs } from "./jobs.ts";
import { Manager, managerInterface, systemdName } from "./manager.ts";
import { runningUnits, startInOrder, stopInOrder } from "./ordered-jobs.ts";

const loginName = "org.freedesktop.login1";
const loginPath = "/org/freedesktop/login1";
const loginInterface = `${loginName}.Manager`;
const properties = "org.freedesktop.DBus.Properties";

/** The target that is reached when all health checks of a boot have passed (systemd.special(7)). */
const bootComplete = "boot-complete.target";
/** How long wall(1) may take; a terminal that nobody reads must not hold a reboot up. */
const tellLimitMs = 10_000;

const matchRules = [
  `type='signal',sender='${loginName}',interface='${properties}',member='PropertiesChanged',path='${loginPath}'`,
  `type='signal',sender='${loginName}',interface='${loginInterface}',member='PrepareForShutdown'`,
  `type='signal',sender='${loginName}',interface='${loginInterface}',member='SessionRemoved'`,
  `type='signal',sender='${systemdName}',interface='${managerInterface}',member='JobRemoved'`,
];

export interface LoginOptions {
  /** The D-Bus address of the bus logind is on; default the system bus. */
  readonly busAddress?: string;
  /** Put in front of every path that is read here: for a machine seen from outside. */
  readonly rootDirectory?: string;
}

/**
 * The machine's logind and systemd as a MachineControl (org.freedesktop.login1(5), org.freedesktop.systemd1(5)).
 * Throws Fault `manager-unavailable` when the bus cannot be reached; later losses heal by themselves.
 */
export async function openLogin(env: Env, options: LoginOptions = {}): Promise<MachineControl> {
  const control = new Login(env, options);
  await control.open();
  return control;
}

class Login implements MachineControl {
  readonly #bus: Bus;
  readonly #manager: Manager;
  readonly #root: string;
  readonly #listeners = new Set<() => void>();
  readonly #jobs = new Jobs();

  constructor(env: Env, { busAddress = systemBusAddress, rootDirectory = "" }: LoginOptions) {
    this.#root = rootDirectory;
    this.#bus = new Bus(env, busAddress, {
      greet: async () => void (await Promise.all(matchRules.map((rule) => this.#bus.match(rule)))),
      signal: (signal) => this.#receive(signal),
      restored: () => {
        this.#loseJobs();
        this.#tellListeners();
      },
    });
    this.#manager = new Manager(this.#bus);
  }

  async open(): Promise<void> {
    await this.#bus.connect();
    await this.#manager.subscribe();
  }

  async bootId(): Promise<string> {
    const path = `${this.#root}/proc/sys/kernel/random/boot_id`;
    return (await readFile(path, "utf8")).trim();
  }

  async inhibitors(): Promise<readonly Inhibitor[]> {
    // Structs of what, who, why, mode, user and process. Root passes by those of mode block-weak.
    const rows = (await this.#login("ListInhibitors")) as readonly (readonly unknown[])[];
    return rows
      .filter(([what, , , mode]) => mode === "block" && String(what).split(":").includes("shutdown"))
      .map(([, who, why]) => ({ who: String(who), why: String(why) }));
  }

  async users(): Promise<readonly string[]> {
    // Structs of session, user ID, user, seat and object path.
    const rows = (await this.#login("ListSessions")) as readonly (readonly unknown[])[];
    const people = new Set<string>();
    for (const [, , user, , path] of rows) {
      const kind = await this.#sessionClass(String(path));
      if (kind.startsWith("user")) people.add(String(user));
    }
    return [...people].sort();
  }

  async tell(line: string): Promise<void> {
    try {
      await promisify(execFile)("wall", ["--nobanner", line], { timeout: tellLimitMs });
    } catch (error) {
      throw new Fault("cannot-tell", `cannot tell who is logged in: ${sentenceOf(error)}`, { cause: error });
    }
  }

  async reboot(): Promise<void> {
    const [inhibitor] = await this.inhibitors();
    // logind lets root pass by them, according to its release.
    if (inhibitor !== undefined)
      throw new Fault("reboot-refused", `${inhibitor.who} forbids it: ${inhibitor.why}`);
    try {
      await this.#login("Reboot", "b", [false]);
    } catch (error) {
      if (!isFault(error, "bus-refused")) throw error;
      throw new Fault("reboot-refused", error.message, { cause: error });
    }
  }

  async goingDown(): Promise<boolean> {
    const prepares = await this.#bus.call({
      destination: loginName,
      path: loginPath,
      interface: properties,
      member: "Get",
      signature: "ss",
      body: [loginInterface, "PreparingForShutdown"],
    });
    return prepares === true || (await this.#manager.systemState()) === "stopping";
  }

  async checkBoot(): Promise<string | undefined> {
    let job: string;
    try {
      job = await this.#manager.start(bootComplete);
    } catch (error) {
      if (isRefusal(error, "org.freedesktop.systemd1.NoSuchUnit")) return undefined;
      if (isFault(error, "bus-refused")) return error.message;
      throw error;
    }
    const end = await this.#jobs.wait(job);
    if (end.kind === "ended" && end.result === "done") return undefined;
    const result = end.kind === "ended" ? end.result : "unknown";
    return `${bootComplete} is not reached (${result}); "systemctl list-dependencies ${bootComplete}" shows its health checks`;
  }

  async isActive(unit: string): Promise<boolean> {
    const rows = await this.#manager.unitsNamed([unit]);
    return rows.some(({ active }) => active === "active" || active === "reloading");
  }

  async running(names: readonly string[]): Promise<readonly UnitTies[]> {
    return await runningUnits(this.#manager, names);
  }

  async stopUnits(order: readonly StopAfter[], signal: AbortSignal): Promise<readonly string[]> {
    return await stopInOrder(this.#manager, this.#jobs, order, signal);
  }

  async startUnits(names: readonly string[]): Promise<readonly string[]> {
    return await startInOrder(this.#manager, names);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#bus.close();
    this.#loseJobs();
  }

  async #sessionClass(path: string): Promise<string> {
    try {
      const kind = await this.#bus.call({
        destination: loginName,
        path,
        interface: properties,
        member: "Get",
        signature: "ss",
        body: [`${loginName}.Session`, "Class"],
      });
      return String(kind);
    } catch (error) {
      // It has ended in this moment.
      if (isFault(error, "bus-refused")) return "";
      throw error;
    }
  }

  /** Nothing will be heard of the jobs that are waited for. */
  #loseJobs(): void {
    for (const path of this.#jobs.awaited()) this.#jobs.lose(path);
  }

  #receive({ member, body }: Signal): void {
    if (member === "JobRemoved") this.#jobs.removed(String(body[1]), String(body[3]));
    else this.#tellListeners();
  }

  #tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }

  async #login(member: string, signature?: string, body?: readonly unknown[]): Promise<unknown> {
    const call = { destination: loginName, path: loginPath, interface: loginInterface, member };
    return await this.#bus.call(
      signature === undefined || body === undefined ? call : { ...call, signature, body },
    );
  }
}
