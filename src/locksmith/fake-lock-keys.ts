import { KeysRefusal, type KeysResponse } from "../keys/client-keys.ts";
import type { ShownNode } from "../keys/model.ts";
import type { LockKeys } from "./reboot-lock.ts";

interface Entry {
  readonly value: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  /** On the store's clock; Infinity without a time to live. */
  readonly endMs: number;
}

/** As much of the v2 API as the lock uses, on a clock that a test moves. Every call is carried out at once. */
export class FakeLockKeys {
  nowMs = 0;
  #index = 0;
  readonly #entries = new Map<string, Entry>();

  value(key: string): string | undefined {
    return this.#live(key)?.value;
  }

  /** The keys right below a directory that are alive, with the index of their creation. */
  children(directory: string): { readonly key: string; readonly createdIndex: number }[] {
    return [...this.#entries.keys()]
      .filter((key) => key.startsWith(`${directory}/`))
      .flatMap((key) => {
        const entry = this.#live(key);
        return entry === undefined ? [] : [{ key, createdIndex: entry.createdIndex }];
      });
  }

  get(key: string): KeysResponse {
    const node = this.#tree(key);
    if (node === undefined) throw this.#refusal(100, key);
    return { action: "get", node, index: this.#index };
  }

  put(key: string, options: Parameters<LockKeys["put"]>[1]): KeysResponse {
    const { value = "", ttl = 0, exists, previousIndex = 0 } = options;
    const before = this.#live(key);
    if (exists === false && before !== undefined) throw this.#refusal(105, key);
    if (exists === true && before === undefined) throw this.#refusal(100, key);
    this.#compare(key, before, previousIndex);
    this.#index++;
    // A plain set makes the key anew; an update, with a condition, keeps it.
    const isUpdate = exists === true || previousIndex !== 0;
    const createdIndex = isUpdate && before !== undefined ? before.createdIndex : this.#index;
    const endMs = ttl > 0 ? this.nowMs + ttl * 1000 : Number.POSITIVE_INFINITY;
    this.#entries.set(key, { value, createdIndex, modifiedIndex: this.#index, endMs });
    return { action: "set", node: { key, value, modifiedIndex: this.#index }, index: this.#index };
  }

  remove(key: string, { previousIndex }: Parameters<LockKeys["remove"]>[1]): KeysResponse {
    const before = this.#live(key);
    if (before === undefined) throw this.#refusal(100, key);
    this.#compare(key, before, previousIndex);
    this.#index++;
    this.#entries.delete(key);
    return { action: "delete", node: { key }, index: this.#index };
  }

  #compare(key: string, before: Entry | undefined, previousIndex: number): void {
    if (previousIndex === 0) return;
    if (before === undefined) throw this.#refusal(100, key);
    if (before.modifiedIndex !== previousIndex) throw this.#refusal(101, key);
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.endMs > this.nowMs ? entry : undefined;
  }

  #tree(key: string): ShownNode | undefined {
    const entry = this.#live(key);
    if (entry !== undefined) {
      const { value, createdIndex, modifiedIndex, endMs } = entry;
      const ttl = endMs === Number.POSITIVE_INFINITY ? {} : { ttl: Math.ceil((endMs - this.nowMs) / 1000) };
      return { key, value, createdIndex, modifiedIndex, ...ttl };
    }
    const nodes = [...this.#entries.keys()]
      .filter((each) => each.startsWith(`${key}/`))
      .map((each) => `${key}/${each.slice(key.length + 1).split("/", 1)[0] ?? ""}`);
    if (nodes.length === 0) return undefined;
    return { key, dir: true, nodes: [...new Set(nodes)].flatMap((each) => this.#tree(each) ?? []) };
  }

  #refusal(errorCode: number, cause: string): KeysRefusal {
    return new KeysRefusal({ errorCode, message: "refused", cause, index: this.#index });
  }
}
