import { Fault, isFault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import type { Operation, Revision, Store } from "../store/store.ts";
import { maxOperations } from "../store/store.ts";
import type { Caller, EventNote, EventWriter } from "./events.ts";
import type { Cordon, MachineId, TargetState, Unit, UnitName } from "./model.ts";
import { decodeFleetEntry, encodeCordon, encodeUnit } from "./records.ts";
import { type FleetView, fleetKeys, type MetadataChange, type Registry } from "./registry.ts";

/** The part of a shared picture that a registry reads from; it may be asleep while nobody asks. */
export interface ViewSource {
  /** Throws Fault `registry-unavailable` while nothing has been read yet. */
  view(): FleetView;
  subscribe(listener: () => void): () => void;
  reached(revision: Revision, signal: AbortSignal): Promise<void>;
}

/** How often a change of one unit is tried again when others change the same unit at the same time. */
const mostTries = 16;
/** How often one write is sent when the answer is lost, as when the store's leader dies: an election fits in between. */
const mostSendings = 4;
/** Keys of metadata one request can change; there is room for its event in the transaction. */
const mostMetadataKeys = maxOperations - 1;

/**
 * The registry over a Store: reads come from the picture, each write is one guarded transaction.
 * @param events writes each change down in the transaction that makes it; without it nothing is written down
 */
export function storeRegistry(store: Store, source: ViewSource, events?: EventWriter): Registry {
  const written = (note: EventNote, by: Caller | undefined): readonly Operation[] =>
    events === undefined ? [] : [events.operation([note], by)];

  /**
   * Writes a unit's record (undefined deletes it) when its key is at revision `seen` (0: absent); answers undefined when
   * it is not. The compare makes it harmless to send it again when the answer was lost.
   */
  const write = async (
    name: UnitName,
    value: string | undefined,
    seen: Revision,
    note: EventNote,
    by: Caller | undefined,
  ): Promise<Revision | undefined> => {
    const key = fleetKeys.unit(name);
    const operation: Operation =
      value === undefined ? { do: "delete", range: exactly(key) } : { do: "put", key, value };
    const then = [operation, ...written(note, by)];
    for (let sendings = 1; ; sendings++) {
      try {
        const outcome = await store.commit({ when: [{ key, modRevision: seen }], then });
        if (outcome.committed) return outcome.revision;
      } catch (error) {
        if (sendings === mostSendings || !isFault(error, "store-unavailable")) throw error;
        continue;
      }
      if (sendings === 1) return undefined;
      // It may be our own earlier sending that moved the key on.
      const { entries, revision } = await store.read(exactly(key));
      if (entries[0]?.value !== value) return undefined;
      return entries[0]?.modRevision ?? revision;
    }
  };

  const put = async (
    unit: Pick<Unit, "name" | "text" | "hash" | "target" | "restart">,
    seen: Revision,
    kind: EventNote["kind"],
    by: Caller | undefined,
  ): Promise<Revision | undefined> => {
    const { name, target, hash } = unit;
    return await write(name, encodeUnit(unit), seen, { kind, unit: name, target, hash }, by);
  };

  const current = async (name: UnitName): Promise<Unit> => {
    const snapshot = await store.read(exactly(fleetKeys.unit(name)));
    const entry = snapshot.entries[0];
    if (entry === undefined) throw new Fault("unit-missing", "unit does not exist");
    const record = decodeFleetEntry(entry);
    if (record?.family !== "unit")
      throw new Fault("unit-unreadable", `the record of unit ${name} in the store cannot be read`);
    return record.unit;
  };

  /** Tries `change` on the newest revision of a unit until nobody else was faster. */
  const change = async (
    name: UnitName,
    attempt: (unit: Unit) => Promise<Revision | undefined>,
  ): Promise<Revision> => {
    for (let tries = 0; tries < mostTries; tries++) {
      const done = await attempt(await current(name));
      if (done !== undefined) return done;
    }
    throw new Fault("unit-changed", `cannot change unit ${name}: others change it all the time; try again`);
  };

  return {
    view: () => source.view(),
    subscribe: (listener) => source.subscribe(listener),
    reached: (revision, signal) => source.reached(revision, signal),

    async create(unit, by) {
      const revision = await put(unit, 0, "unit.created", by);
      if (revision === undefined) throw new Fault("unit-exists", `unit ${unit.name} exists already`);
      return revision;
    },

    async replace(unit, seen, by) {
      const revision = await put(unit, seen, "unit.changed", by);
      if (revision === undefined)
        throw new Fault(
          "unit-changed",
          `unit ${unit.name} was changed by somebody else meanwhile; try again`,
        );
      return revision;
    },

    setTarget(name: UnitName, target: TargetState, by?: Caller) {
      return change(name, (unit) =>
        unit.target === target
          ? Promise.resolve(unit.revision)
          : put({ ...unit, target }, unit.revision, "unit.target", by),
      );
    },

    async restart(name: UnitName, by?: Caller) {
      let restart: Revision = 0;
      const revision = await change(name, async (unit) => {
        if (unit.target !== "launched") throw new Fault("unit-not-launched", whyNoRestart(unit));
        restart = unit.revision;
        return await put({ ...unit, restart }, unit.revision, "unit.restart", by);
      });
      return { restart, revision };
    },

    destroy(name: UnitName, by?: Caller) {
      const note = { kind: "unit.destroyed", unit: name } as const;
      return change(name, async (unit) => await write(name, undefined, unit.revision, note, by));
    },

    async setMetadata(changes: readonly MetadataChange[], by?: Caller) {
      if (changes.length === 0) return source.view().revision;
      const last = new Map<string, Operation>();
      for (const { machine, key, value } of changes) {
        const storeKey = fleetKeys.metadata(machine, key);
        last.set(storeKey, { do: "put", key: storeKey, value: value ?? "" });
      }
      if (last.size > mostMetadataKeys)
        throw new Fault(
          "too-many-changes",
          `cannot change ${last.size} metadata keys at once; send at most ${mostMetadataKeys}`,
        );
      const notes = metadataNotes(changes);
      const then = events === undefined ? [] : [events.operation(notes, by)];
      const outcome = await store.commit({ when: [], then: [...last.values(), ...then] });
      return outcome.revision;
    },

    async cordon(cordon: Cordon, by?: Caller) {
      const { machine, drain } = cordon;
      const key = fleetKeys.cordon(machine);
      const kind = drain === undefined ? "machine.cordoned" : "machine.draining";
      const then: Operation[] = [{ do: "put", key, value: encodeCordon(cordon) }];
      return (await store.commit({ when: [], then: [...then, ...written({ kind, machine }, by)] })).revision;
    },

    async uncordon(machine: MachineId, by?: Caller) {
      const key = fleetKeys.cordon(machine);
      const { entries, revision } = await store.read(exactly(key));
      if (entries.length === 0) return revision;
      const then: Operation[] = [{ do: "delete", range: exactly(key) }];
      const note = written({ kind: "machine.uncordoned", machine }, by);
      return (await store.commit({ when: [], then: [...then, ...note] })).revision;
    },
  };
}

/** Why a unit that is not to run is not restarted. */
export function whyNoRestart(unit: Pick<Unit, "name" | "target">): string {
  return `cannot restart ${unit.name}: its target state is ${unit.target}; start it instead`;
}

/** One event for each machine whose metadata changes. */
function metadataNotes(changes: readonly MetadataChange[]): readonly EventNote[] {
  const byMachine = Map.groupBy(changes, ({ machine }) => machine);
  return Array.from(byMachine, ([machine, own]) => {
    const metadata = Object.fromEntries(own.map(({ key, value }) => [key, value ?? ""]));
    return { kind: "machine.metadata", machine, metadata };
  });
}
