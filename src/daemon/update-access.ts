import type { OpenUpdateEngine, UpdateEngineAccess } from "../argosy/update-engine-access.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { Bus, systemBusAddress } from "../systemd/bus.ts";
import type { EngineReport, EngineStatus } from "../update/status.ts";
import { managerInterface, policyInterface, updateName, updatePath } from "./update-bus.ts";

/** Reaches this machine's update-engine over the system bus. */
export const openUpdateEngine: OpenUpdateEngine = async (env) => {
  const wake = new Wake();
  const rules = [
    `type='signal',sender='${updateName}',path='${updatePath}'`,
    // Whoever waits for an engine that ends would wait for ever.
    `type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${updateName}'`,
  ];
  const bus = new Bus(env, systemBusAddress, {
    greet: async () => void (await Promise.all(rules.map((rule) => bus.match(rule)))),
    signal: (signal) => {
      if (signal.path === updatePath || signal.member === "NameOwnerChanged") wake.wake();
    },
    restored: wake.wake,
  });
  try {
    await bus.connect();
  } catch (error) {
    throw new Fault(
      "update-engine-unavailable",
      `cannot reach update-engine, because there is no system bus at ${systemBusAddress.replace(/^.*=/, "")}; run this on a machine with systemd and D-Bus`,
      { cause: error },
    );
  }
  return new BusAccess(bus, wake);
};

class BusAccess implements UpdateEngineAccess {
  readonly #bus: Bus;
  readonly #wake: Wake;

  constructor(bus: Bus, wake: Wake) {
    this.#bus = bus;
    this.#wake = wake;
  }

  async status(): Promise<EngineStatus> {
    const [checked, progress, operation, newVersion, newSize] = (await this.#call(
      managerInterface,
      "GetStatus",
    )) as readonly [bigint | number, number, string, string, bigint | number];
    return { lastCheckedTime: Number(checked), progress, operation, newVersion, newSize: Number(newSize) };
  }

  async report(): Promise<EngineReport> {
    return JSON.parse((await this.#call(policyInterface, "Describe")) as string) as EngineReport;
  }

  async attempt(): Promise<void> {
    await this.#call(managerInterface, "AttemptUpdate");
  }

  async reset(): Promise<void> {
    await this.#call(managerInterface, "ResetStatus");
  }

  async check(again: boolean): Promise<void> {
    await this.#call(policyInterface, "Check", "b", again);
  }

  async hold(reason: string): Promise<void> {
    await this.#call(policyInterface, "Hold", "s", reason);
  }

  async release(): Promise<void> {
    await this.#call(policyInterface, "Release");
  }

  async rollback(): Promise<void> {
    await this.#call(policyInterface, "Rollback");
  }

  async changed(signal: AbortSignal): Promise<void> {
    await this.#wake.next(signal);
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  async #call(
    from: string,
    member: string,
    signature?: string,
    ...body: readonly unknown[]
  ): Promise<unknown> {
    const call = { destination: updateName, path: updatePath, interface: from, member };
    try {
      return await this.#bus.call(signature === undefined ? call : { ...call, signature, body });
    } catch (error) {
      if (isFault(error, "bus-refused")) throw new Fault("update-refused", error.message, { cause: error });
      throw new Fault(
        "update-engine-unavailable",
        "cannot reach update-engine on the system bus; see systemctl status update-engine",
        { cause: error },
      );
    }
  }
}
