import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import type { UpdateSource, UpdateStatus } from "../locksmith/update-status.ts";
import { Bus, type Signal, systemBusAddress } from "./bus.ts";

const name = "com.coreos.update1";
const path = "/com/coreos/update1";
const managerInterface = `${name}.Manager`;

const matchRules = [
  // Without a sender: locksmithctl send-need-reboot tells the same without being update-engine.
  `type='signal',interface='${managerInterface}',member='StatusUpdate',path='${path}'`,
  `type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${name}'`,
];

/**
 * Hears this machine's update-engine over D-Bus; it need not be there, and may come and go.
 * Throws Fault `manager-unavailable` when the bus cannot be reached; later losses heal by themselves.
 * @param busAddress default the system bus
 */
export async function openUpdateSource(env: Env, busAddress = systemBusAddress): Promise<UpdateSource> {
  const source = new UpdateEngine(env, busAddress);
  await source.open();
  return source;
}

class UpdateEngine implements UpdateSource {
  status: UpdateStatus | undefined;
  readonly #env: Env;
  readonly #bus: Bus;
  readonly #listeners = new Set<() => void>();

  constructor(env: Env, busAddress: string) {
    this.#env = env;
    this.#bus = new Bus(env, busAddress, {
      greet: async () => void (await Promise.all(matchRules.map((rule) => this.#bus.match(rule)))),
      signal: (signal) => this.#receive(signal),
      restored: () => this.#askAgain(),
    });
  }

  async open(): Promise<void> {
    await this.#bus.connect();
    await this.#ask();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#bus.close();
  }

  #receive({ member, body }: Signal): void {
    if (member === "StatusUpdate") this.#set(statusOf(body));
    else if (member === "NameOwnerChanged" && body[2] === "") this.#set(undefined);
    else if (member === "NameOwnerChanged") this.#askAgain();
  }

  #askAgain(): void {
    this.#ask().catch((error: unknown) => {
      this.#env.log.warning(`cannot ask update-engine for its status: ${sentenceOf(error)}`);
    });
  }

  /** Also starts update-engine where D-Bus knows how. */
  async #ask(): Promise<void> {
    try {
      const reply = await this.#bus.call({
        destination: name,
        path,
        interface: managerInterface,
        member: "GetStatus",
      });
      this.#set(Array.isArray(reply) ? statusOf(reply) : undefined);
    } catch (error) {
      // Nobody has the name, or nobody may ask; it is heard when that changes.
      if (!isFault(error, "manager-unavailable", "bus-refused")) throw error;
      this.#env.log.debug(`update-engine does not answer: ${sentenceOf(error)}`);
    }
  }

  #set(status: UpdateStatus | undefined): void {
    this.status = status;
    for (const listener of this.#listeners) listener();
  }
}

/** last_checked_time, progress, current_operation, new_version, new_size. */
function statusOf([, , operation, version]: readonly unknown[]): UpdateStatus {
  return { operation: String(operation), version: String(version) };
}
