import { Fault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import type { Store } from "../store/store.ts";

/** Names the content of the store: made once, as plain text, and lost with the data. */
export const identityKey = "/argosy/identity";

/** Where a machine remembers, until it reboots or leaves the cluster, which store its units came from. */
export interface IdentityMemory {
  read(): Promise<string | undefined>;
  write(identity: string): Promise<void>;
}

/**
 * Tells whether the store still is the one that this machine's units came from. A store that has lost its data looks like a cluster
 * that wants nothing; taken at its word, it would have every unit stopped.
 */
export class StoreIdentity {
  readonly #store: Store;
  readonly #memory: IdentityMemory;
  readonly #random: () => number;

  constructor(store: Store, memory: IdentityMemory, random: () => number) {
    this.#store = store;
    this.#memory = memory;
    this.#random = random;
  }

  /** Throws Fault `other-store` when the store is not the one of before, and the store's own Faults when it cannot be asked. */
  async check(): Promise<void> {
    const remembered = await this.#memory.read();
    const found = await this.#read();
    if (remembered === undefined) {
      await this.#memory.write(found ?? (await this.#create()));
    } else if (found !== remembered) {
      throw new Fault(
        "other-store",
        "the store is not the one that this machine's units came from: it has lost its data or belongs to another cluster. " +
          "Restore it, or take this machine's units down with: systemctl stop fleet",
      );
    }
  }

  async #read(): Promise<string | undefined> {
    return (await this.#store.read(exactly(identityKey))).entries[0]?.value;
  }

  /** Several machines may try at once; all end up with what the first one wrote. */
  async #create(): Promise<string> {
    const identity = Array.from({ length: 4 }, () => this.#word()).join("");
    const outcome = await this.#store.commit({
      when: [{ key: identityKey, modRevision: 0 }],
      then: [{ do: "put", key: identityKey, value: identity }],
    });
    const found = outcome.committed ? identity : await this.#read();
    if (found === undefined)
      throw new Fault("other-store", "the store's identity vanished while it was read");
    return found;
  }

  /** Eight hexadecimal digits. */
  #word(): string {
    return Math.floor(this.#random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  }
}
