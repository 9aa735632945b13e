import { Fault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import {
  type Compare,
  type LeaseId,
  maxOperations,
  type Operation,
  type Revision,
  type Store,
} from "../store/store.ts";
import type { EventWriter } from "./events.ts";
import type { MachineId, UnitName, UnitState } from "./model.ts";
import { encodeState } from "./records.ts";
import { fleetKeys } from "./registry.ts";
import type { StateNotes } from "./state-notes.ts";

/** Room in a transaction for events, and a bound on its size with long problem texts. */
const mostPerTransaction = Math.min(100, maxOperations);

/** What is in the store for one unit, and the state it was made of. */
export interface Published {
  readonly value: string;
  /** Undefined for what an earlier daemon wrote, and for what was written apart from the rounds. */
  readonly state: UnitState | undefined;
}

/** Something may be in the store for a unit: it is written anew, or deleted, in the next round. */
const unsure: Published = { value: "", state: undefined };

/** One change of what is published; without `now` the unit's state goes. */
export interface StateChange {
  readonly unit: UnitName;
  readonly now: Published | undefined;
  readonly operation: Operation;
}

/** How changes of states become events. */
export interface StateHistory {
  readonly events: EventWriter;
  readonly notes: StateNotes;
}

/** The changes that turn what is published into what is so. A state that is the same object as before is not looked at. */
export function stateChanges(
  machine: MachineId,
  lease: LeaseId,
  states: ReadonlyMap<UnitName, UnitState>,
  published: ReadonlyMap<UnitName, Published>,
): StateChange[] {
  const changes: StateChange[] = [];
  for (const [unit, state] of states) {
    const before = published.get(unit);
    if (before?.state === state) continue;
    const value = encodeState(state);
    if (before?.value === value) continue;
    const key = fleetKeys.state(machine, unit);
    changes.push({ unit, now: { value, state }, operation: { do: "put", key, value, lease } });
  }
  for (const unit of published.keys()) {
    if (states.has(unit)) continue;
    const range = exactly(fleetKeys.state(machine, unit));
    changes.push({ unit, now: undefined, operation: { do: "delete", range } });
  }
  return changes;
}

/**
 * Writes a machine's unit states to the store, on the machine's lease, newest state per unit only.
 * What was published is forgotten when the lease changes, and read from the store when a lease is taken over.
 *
 * A write whose answer did not come may be carried out much later, when the store's member is reached again, and would put
 * an old state over a newer one. So every write compares a turn of this machine in the store, and after a write whose
 * outcome is unknown, and for every new daemon, there is a new turn: what is under way from before comes to nothing.
 */
export class StatePublisher {
  readonly #store: Store;
  readonly #machine: MachineId;
  readonly #history: StateHistory | undefined;
  /** What `#turn` and `#published` hold for; undefined while neither is known. */
  #lease: LeaseId | undefined;
  /** The revision of this machine's turn. */
  #turn: Revision = 0;
  #published = new Map<UnitName, Published>();
  /** The writes under way, which others wait for; undefined when there are none. */
  #writing: Promise<void> | undefined;

  /** @param history writes changes down in the transactions that publish them */
  constructor(store: Store, machine: MachineId, history?: StateHistory) {
    this.#store = store;
    this.#machine = machine;
    this.#history = history;
  }

  /**
   * Brings the store in step with what `tell` gives when it is this call's turn; true when there was anything to write.
   * Throws the store's Faults; calling again goes on where it stopped.
   */
  async publish(lease: LeaseId, tell: () => ReadonlyMap<UnitName, UnitState>): Promise<boolean> {
    return await this.#inTurn(lease, async () => await this.#bringInStep(lease, tell()));
  }

  /**
   * Shows one unit's state in the same step in which `when` is found to hold; gives false, and shows nothing, when it does
   * not hold. Throws the store's Faults.
   */
  async claim(lease: LeaseId, state: UnitState, when: Compare): Promise<boolean> {
    return await this.#inTurn(lease, async () => {
      const value = encodeState(state);
      const key = fleetKeys.state(this.#machine, state.unit);
      this.#published.set(state.unit, unsure);
      return await this.#commit([when], [{ do: "put", key, value, lease }]);
    });
  }

  async #inTurn<T>(lease: LeaseId, write: () => Promise<T>): Promise<T> {
    while (this.#writing !== undefined) await this.#writing;
    const writing = (async () => {
      if (this.#lease !== lease) await this.#begin(lease);
      return await write();
    })();
    const ended = (): void => {
      this.#writing = undefined;
    };
    this.#writing = writing.then(ended, ended);
    return await writing;
  }

  /** False when `when` does not hold. Whatever throws, the next write begins with a new turn. */
  async #commit(when: readonly Compare[], then: readonly Operation[]): Promise<boolean> {
    const key = fleetKeys.turn(this.#machine);
    const lease = this.#lease;
    this.#lease = undefined;
    const outcome = await this.#store.commit({
      when: [...when, { key, modRevision: this.#turn }],
      then,
      otherwise: [exactly(key)],
    });
    if (!outcome.committed && outcome.seen[0]?.[0]?.modRevision !== this.#turn)
      throw new Fault("states-overtaken", "this machine's states in the store are not those it wrote last");
    this.#lease = lease;
    return outcome.committed;
  }

  async #bringInStep(lease: LeaseId, states: ReadonlyMap<UnitName, UnitState>): Promise<boolean> {
    const changes = stateChanges(this.#machine, lease, states, this.#published);
    for (let first = 0; first < changes.length; first += mostPerTransaction) {
      const part = changes.slice(first, first + mostPerTransaction);
      const then = part.map(({ operation }) => operation);
      const history = this.#history;
      const notes = history?.notes.of(part.map(({ unit, now }) => ({ unit, state: now?.state }))) ?? [];
      if (history !== undefined && notes.length > 0) then.push(history.events.operation(notes));
      try {
        await this.#commit([], then);
      } catch (error) {
        history?.notes.forget(part.map(({ unit }) => unit));
        // What was to be there may be there all the same.
        for (const { unit, now } of part) if (now !== undefined) this.#published.set(unit, unsure);
        throw error;
      }
      for (const { unit, now } of part) {
        if (now === undefined) this.#published.delete(unit);
        else this.#published.set(unit, now);
      }
    }
    return changes.length > 0;
  }

  /** Which of these states are not in the store yet, as far as this machine knows. */
  unpublished(states: ReadonlyMap<UnitName, UnitState>): ReadonlySet<UnitName> {
    const waiting = [...states].filter(([name, state]) => this.#published.get(name)?.state !== state);
    return new Set(waiting.map(([name]) => name));
  }

  /** Learns what an earlier daemon of this machine left on the same lease; states on other leases are written anew. */
  async #begin(lease: LeaseId): Promise<void> {
    const key = fleetKeys.turn(this.#machine);
    const begun = await this.#store.commit({ when: [], then: [{ do: "put", key, value: "", lease }] });
    const prefix = fleetKeys.states(this.#machine);
    const snapshot = await this.#store.read({ from: prefix, to: `${prefix.slice(0, -1)}0` });
    this.#published = new Map();
    for (const entry of snapshot.entries) {
      const unit = entry.key.slice(prefix.length);
      this.#published.set(unit, entry.lease === lease ? { value: entry.value, state: undefined } : unsure);
    }
    this.#turn = begun.revision;
    this.#lease = lease;
  }
}
