import dbus from "dbus-native";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { EngineStatus } from "../update/status.ts";
import type { UpdateEvent } from "../update/update-state.ts";

/** update_engine's name, object and interface on the system bus. */
export const updateName = "com.coreos.update1";
export const updatePath = "/com/coreos/update1";
export const managerInterface = "com.coreos.update1.Manager";
/** What update_engine has nothing like, beside it. */
export const policyInterface = "com.coreos.update1.Policy";

/** What is behind the bus. */
export interface BusService {
  readonly status: () => EngineStatus;
  readonly channel: string;
  /** JSON for `argosy update status`. */
  readonly describe: () => string;
  /** Resolves with why a wish is not followed, or undefined. */
  readonly wish: (event: UpdateEvent) => Promise<string | undefined>;
}

const redial: Backoff = { firstMs: 100, mostMs: 10_000 };
/** Characters of the reason for a hold. */
const mostReason = 1_000;
const doNotQueue = 4;
const primaryOwner = 1;

/** The engine on the system bus: answers calls and tells of changes as update_engine of CoreOS did. Connects again when the bus is lost. */
export class UpdateBus {
  readonly #env: Env;
  readonly #address: string;
  readonly #service: BusService;
  #manager: dbus.DefinedInterface | undefined;
  #policy: dbus.DefinedInterface | undefined;

  constructor(env: Env, address: string, service: BusService) {
    this.#env = env;
    this.#address = address;
    this.#service = service;
  }

  /** Serves until the signal is aborted; `ready` is called once the name is ours. */
  async run(ready: () => void, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#serve(() => {
          attempt = 1;
          ready();
        }, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Fault) throw error;
        this.#env.log.warning(`not on the message bus: ${sentenceOf(error)}; trying again`);
      }
      await this.#env.clock
        .sleep(pauseMs(redial, attempt, this.#env.random()), signal)
        .catch(() => undefined);
    }
  }

  /** Sends the signals of a change. */
  changed(): void {
    this.#manager?.emit["StatusUpdate"]?.(...values(this.#service.status()));
    this.#policy?.emit["Changed"]?.(this.#service.describe());
  }

  /** Throws Fault `bus-name-taken` when another update-engine runs. */
  async #serve(ready: () => void, signal: AbortSignal): Promise<void> {
    const client = dbus.createClient({ busAddress: this.#address, authMethods: ["EXTERNAL"] });
    const closed = new Promise<void>((resolve, reject) => {
      client.connection.once("close", () => resolve());
      client.connection.on("error", reject);
    });
    closed.catch(() => undefined);
    const stop = (): void => void client.connection.stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await Promise.race([
        new Promise<void>((resolve) => client.connection.once("connect", () => resolve())),
        closed.then(() => {
          throw new Error("the connection was closed");
        }),
      ]);
      const manager = this.#managerObject();
      const policy = this.#policyObject();
      await client.export(updatePath, manager);
      await client.export(updatePath, policy);
      const given = await client.requestName(updateName, doNotQueue);
      if (given !== primaryOwner)
        throw new Fault(
          "bus-name-taken",
          `cannot take the name ${updateName}: another update-engine has it; stop it`,
        );
      this.#manager = manager;
      this.#policy = policy;
      ready();
      await closed;
    } finally {
      this.#manager = undefined;
      this.#policy = undefined;
      signal.removeEventListener("abort", stop);
      stop();
    }
  }

  #managerObject(): dbus.DefinedInterface {
    const { status, channel, wish } = this.#service;
    return dbus.defineInterface({
      name: managerInterface,
      methods: {
        // As in update_engine, a wish that comes at the wrong time is no error.
        AttemptUpdate: { handler: async () => void (await wish({ on: "wish" })) },
        ResetStatus: { handler: async () => await this.#follow({ on: "reset" }) },
        GetStatus: {
          out: {
            last_checked_time: "x",
            progress: "d",
            current_operation: "s",
            new_version: "s",
            new_size: "x",
          },
          handler: () => {
            const [last_checked_time, progress, current_operation, new_version, new_size] = values(status());
            return { last_checked_time, progress, current_operation, new_version, new_size };
          },
        },
        GetChannel: { out: { channel: "s" }, handler: () => channel },
      },
      signals: {
        StatusUpdate: {
          args: {
            last_checked_time: "x",
            progress: "d",
            current_operation: "s",
            new_version: "s",
            new_size: "x",
          },
        },
      },
    });
  }

  #policyObject(): dbus.DefinedInterface {
    const { describe } = this.#service;
    return dbus.defineInterface({
      name: policyInterface,
      methods: {
        Describe: { out: { state: "s" }, handler: () => describe() },
        Check: {
          in: { again: "b" },
          handler: async ({ again }: { readonly again: boolean }) =>
            await this.#follow({ on: "wish", again }),
        },
        Hold: {
          in: { reason: "s" },
          handler: async ({ reason }: { readonly reason: unknown }) => {
            // The library takes whatever is sent, and this is remembered.
            if (typeof reason !== "string" || reason.length > mostReason)
              throw busError(
                "org.freedesktop.DBus.Error.InvalidArgs",
                `Hold takes one reason, a text of at most ${mostReason} characters`,
              );
            await this.#follow({ on: "hold", reason });
          },
        },
        Release: { handler: async () => await this.#follow({ on: "release" }) },
        Rollback: { handler: async () => await this.#follow({ on: "rollback" }) },
      },
      signals: { Changed: { args: { state: "s" } } },
    });
  }

  async #follow(event: UpdateEvent): Promise<void> {
    const refused = await this.#service.wish(event);
    if (refused !== undefined) throw busError(`${updateName}.Error.Refused`, refused);
  }
}

function busError(dbusName: string, sentence: string): Error {
  return Object.assign(new Error(sentence), { dbusName });
}

function values(status: EngineStatus): [number, number, string, string, number] {
  const { lastCheckedTime, progress, operation, newVersion, newSize } = status;
  return [lastCheckedTime, progress, operation, newVersion, newSize];
}
