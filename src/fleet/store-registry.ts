import { Fault } from "../lib/fault.ts";
import { exactly } from "../store/range.ts";
import type { Operation, Revision, Store } from "../store/store.ts";
import { maxOperations } from "../store/store.ts";
import type { TargetState, Unit, UnitName } from "./model.ts";
import { decodeFleetEntry, encodeUnit } from "./records.ts";
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

/** The registry over a Store: reads come from the picture, each write is one guarded transaction. */
export function storeRegistry(store: Store, source: ViewSource): Registry {
  /** Writes a unit when its key is at revision `seen` (0: absent); answers undefined when it is not. */
  const put = async (
    unit: Pick<Unit, "name" | "text" | "hash" | "target">,
    seen: Revision,
  ): Promise<Revision | undefined> => {
    const key = fleetKeys.unit(unit.name);
    const outcome = await store.commit({
      when: [{ key, modRevision: seen }],
      then: [{ do: "put", key, value: encodeUnit(unit) }],
    });
    return outcome.committed ? outcome.revision : undefined;
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

    async create(unit) {
      const revision = await put(unit, 0);
      if (revision === undefined) throw new Fault("unit-exists", `unit ${unit.name} exists already`);
      return revision;
    },

    async replace(unit, seen) {
      const revision = await put(unit, seen);
      if (revision === undefined)
        throw new Fault(
          "unit-changed",
          `unit ${unit.name} was changed by somebody else meanwhile; try again`,
        );
      return revision;
    },

    setTarget(name: UnitName, target: TargetState) {
      return change(name, (unit) =>
        unit.target === target ? Promise.resolve(unit.revision) : put({ ...unit, target }, unit.revision),
      );
    },

    destroy(name: UnitName) {
      return change(name, async (unit) => {
        const key = fleetKeys.unit(name);
        const outcome = await store.commit({
          when: [{ key, modRevision: unit.revision }],
          then: [{ do: "delete", range: exactly(key) }],
        });
        return outcome.committed ? outcome.revision : undefined;
      });
    },

    async setMetadata(changes: readonly MetadataChange[]) {
      if (changes.length === 0) return source.view().revision;
      const last = new Map<string, Operation>();
      for (const { machine, key, value } of changes) {
        const storeKey = fleetKeys.metadata(machine, key);
        last.set(storeKey, { do: "put", key: storeKey, value: value ?? "" });
      }
      if (last.size > maxOperations)
        throw new Fault(
          "too-many-changes",
          `cannot change ${last.size} metadata keys at once; send at most ${maxOperations}`,
        );
      const outcome = await store.commit({ when: [], then: [...last.values()] });
      return outcome.revision;
    },
  };
}
