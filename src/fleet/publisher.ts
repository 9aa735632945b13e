import { exactly } from "../store/range.ts";
import { type LeaseId, maxOperations, type Operation, type Store } from "../store/store.ts";
import type { MachineId, UnitName, UnitState } from "./model.ts";
import { encodeState } from "./records.ts";
import { fleetKeys } from "./registry.ts";

/** Room in a transaction for the two compares on presence, and a bound on its size with long problem texts. */
const mostPerTransaction = Math.min(100, maxOperations);

/**
 * The operations that turn what is published into what is so; keys in `published` that are not wanted any more go.
 * @param published store value by unit, as last written on this lease
 */
export function stateOperations(
  machine: MachineId,
  lease: LeaseId,
  states: ReadonlyMap<UnitName, UnitState>,
  published: ReadonlyMap<UnitName, string>,
): { readonly unit: UnitName; readonly value: string | undefined; readonly operation: Operation }[] {
  const operations: { unit: UnitName; value: string | undefined; operation: Operation }[] = [];
  for (const [unit, state] of states) {
    const value = encodeState(state);
    if (published.get(unit) === value) continue;
    const key = fleetKeys.state(machine, unit);
    operations.push({ unit, value, operation: { do: "put", key, value, lease } });
  }
  for (const unit of published.keys()) {
    if (states.has(unit)) continue;
    const range = exactly(fleetKeys.state(machine, unit));
    operations.push({ unit, value: undefined, operation: { do: "delete", range } });
  }
  return operations;
}

/**
 * Writes a machine's unit states to the store, on the machine's lease, newest state per unit only.
 * What was published is forgotten when the lease changes, and read from the store when a lease is taken over.
 */
export class StatePublisher {
  readonly #store: Store;
  readonly #machine: MachineId;
  #lease: LeaseId | undefined;
  #published = new Map<UnitName, string>();

  constructor(store: Store, machine: MachineId) {
    this.#store = store;
    this.#machine = machine;
  }

  /** Brings the store in step with `states`. Throws the store's Faults; calling again goes on where it stopped. */
  async publish(lease: LeaseId, states: ReadonlyMap<UnitName, UnitState>): Promise<void> {
    if (this.#lease !== lease) await this.#begin(lease);
    const operations = stateOperations(this.#machine, lease, states, this.#published);
    for (let first = 0; first < operations.length; first += mostPerTransaction) {
      const part = operations.slice(first, first + mostPerTransaction);
      await this.#store.commit({ when: [], then: part.map(({ operation }) => operation) });
      for (const { unit, value } of part) {
        if (value === undefined) this.#published.delete(unit);
        else this.#published.set(unit, value);
      }
    }
  }

  /** Learns what an earlier daemon of this machine left on the same lease; states on other leases are written anew. */
  async #begin(lease: LeaseId): Promise<void> {
    const prefix = fleetKeys.states(this.#machine);
    const snapshot = await this.#store.read({ from: prefix, to: `${prefix.slice(0, -1)}0` });
    this.#published = new Map();
    for (const entry of snapshot.entries) {
      const unit = entry.key.slice(prefix.length);
      this.#published.set(unit, entry.lease === lease ? entry.value : "");
    }
    this.#lease = lease;
  }
}
