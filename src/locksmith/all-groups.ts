import { goJson } from "../keys/client-text.ts";
import { KeysRefusal, type KeysResponse } from "../keys/client-keys.ts";
import type { Env } from "../lib/env.ts";
import { compareText } from "../lib/text.ts";
import { groupOf, groupsKey, haltKey } from "./lock-keys.ts";
import { type LockKeys, type LockPicture, RebootLock } from "./reboot-lock.ts";

/** A group with what it looks like. */
export interface GroupPicture extends LockPicture {
  /** Empty for the default group. */
  readonly group: string;
}

/** The reboot locks of a whole cluster. Methods throw the Faults of the client, and those of `RebootLock`. */
export class AllGroups {
  readonly #env: Env;
  readonly #api: LockKeys;

  constructor(env: Env, api: LockKeys) {
    this.#env = env;
    this.#api = api;
  }

  /** Every group that has a semaphore, and the default group, which comes first. */
  async pictures(): Promise<readonly GroupPicture[]> {
    const pictures: GroupPicture[] = [];
    for (const group of await this.#names()) {
      pictures.push({ group, ...(await this.#lock(group).picture()) });
    }
    return pictures;
  }

  /**
   * Has every lock refused from now on, in all groups and those to come. Machines that hold a slot keep it; what locks
   * at this very moment sees the halt, because each semaphore is written again after it.
   * @param reason for people; may be empty
   */
  async halt(reason: string): Promise<void> {
    const since = new Date(this.#env.clock.now()).toISOString();
    await this.#api.put(haltKey, { value: goJson({ since, reason }) });
    for (const group of await this.#names()) await this.#lock(group).touch();
  }

  /** Ends the halt; false when there was none. */
  async resume(): Promise<boolean> {
    try {
      const all = { directory: false, recursive: false, previousValue: "", previousIndex: 0 };
      await this.#api.remove(haltKey, all);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  #lock(group: string): RebootLock {
    return new RebootLock(this.#env, this.#api, group);
  }

  async #names(): Promise<readonly string[]> {
    const nodes = (await this.#groups())?.node.nodes ?? [];
    const names = nodes.map(({ key = "" }) => groupOf(key)).filter((name) => name !== "");
    return ["", ...names.sort(compareText)];
  }

  async #groups(): Promise<KeysResponse | undefined> {
    try {
      return await this.#api.get(groupsKey, { recursive: false, sorted: false, quorum: true });
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

/** etcd's number for a key that is not there. */
const noSuchKey = 100;

function isMissing(error: unknown): boolean {
  return error instanceof KeysRefusal && error.errorCode === noSuchKey;
}
