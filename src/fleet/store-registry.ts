import { Fault } from "../lib/fault.ts";
import { exactly, under } from "../store/range.ts";
import type { Entry, Operation, Revision, Store, Transaction } from "../store/store.ts";
import { maxOperations } from "../store/store.ts";
import type { Caller, EventNote, EventWriter } from "./events.ts";
import type { Cordon, MachineId, TargetState, Unit, UnitName } from "./model.ts";
import { decodeFleetEntry, encodeCordon, encodeUnit } from "./records.ts";
import { type FleetView, fleetKeys, type MetadataChange, type Registry } from "./registry.ts";
import { type Settled, settle } from "./settled-write.ts";

/** The part of a shared picture that a registry reads from; it may be asleep while nobody asks. */
export interface ViewSource {
  /** Throws Fault `registry-unavailable` while nothing has been read yet. */
  view(): FleetView;
  subscribe(listener: () => void): () => void;
  reached(revision: Revision, signal: AbortSignal): Promise<void>;
}

/** How often a change of one thing is tried again when others change the same thing at the same time. */
const mostTries = 16;
/** Keys of metadata one request can change; there is room for its event in the transaction. */
const mostMetadataKeys = maxOperations - 1;

/**
 * The registry over a Store: reads come from the picture, each write is one guarded transaction.
 * @param events writes each change down in the transaction that makes it; without it nothing is written down
 */
export function storeRegistry(store: Store, source: ViewSource, events?: EventWriter): Registry {
  const written = (note: EventNote, by: Caller | undefined): readonly Operation[] =>
    events === undefined ? [] : [events.operation([note], by)];

  /** Writes a unit's record (undefined deletes it) when its key is at revision `seen` (0: absent). */
  const write = async (
    name: UnitName,
    value: string | undefined,
    seen: Revision,
    note: EventNote,
    by: Caller | undefined,
  ): Promise<Settled> => {
    const key = fleetKeys.unit(name);
    const operation: Operation =
      value === undefined ? { do: "delete", range: exactly(key) } : { do: "put", key, value };
    const then = [operation, ...written(note, by)];
    return await settle(store, { when: [{ key, modRevision: seen }], then }, async () => {
      const { entries, revision } = await store.read(exactly(key));
      return entries[0]?.value === value ? (entries[0]?.modRevision ?? revision) : undefined;
    });
  };

  const put = async (
    unit: Pick<Unit, "name" | "text" | "hash" | "target" | "restart">,
    seen: Revision,
    kind: EventNote["kind"],
    by: Caller | undefined,
  ): Promise<Settled> => {
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

  /** Tries a write on the newest of what it changes until nobody else is faster, but never again after what others wrote later. */
  const change = async (
    what: string,
    attempt: () => Promise<Settled>,
    signal?: AbortSignal,
  ): Promise<Revision> => {
    for (let tries = 0; tries < mostTries; tries++) {
      const done = await attempt();
      if (typeof done === "number") return done;
      if (done === "overtaken" || signal?.aborted === true) throw overtaken(what);
    }
    throw new Fault("unit-changed", `cannot change ${what}: others change it all the time; try again`);
  };

  const changeUnit = async (name: UnitName, attempt: (unit: Unit) => Promise<Settled>): Promise<Revision> =>
    await change(`unit ${name}`, async () => await attempt(await current(name)));

  /**
   * Writes down whether a machine takes units. A cordon that is not there has no revision that a compare could name, so each of
   * these writes moves on the machine's turn of cordons as well; one that changes nothing does, too, so that none that was given
   * before it comes later.
   */
  const writeCordon = async (
    machine: MachineId,
    value: string | undefined,
    kind: EventNote["kind"],
    { by, signal }: Asked,
  ): Promise<Revision> => {
    const [key, turn] = [fleetKeys.cordon(machine), fleetKeys.cordonTurn(machine)];
    const asked: Operation =
      value === undefined ? { do: "delete", range: exactly(key) } : { do: "put", key, value };
    return await change(
      `machine ${machine}`,
      async () => {
        const seen = await store.read(exactly(turn));
        const before = await store.read(exactly(key));
        if (signal?.aborted === true) return "overtaken";
        const isSame = before.entries[0]?.value === value;
        const guarded: Pick<Transaction, "when" | "then"> = {
          when: [{ key: turn, modRevision: seen.entries[0]?.modRevision ?? 0 }],
          then: [
            { do: "put", key: turn, value: "" },
            ...(isSame ? [] : [asked, ...written({ kind, machine }, by)]),
          ],
        };
        const settled = await settle(store, guarded, async () => {
          const { entries, revision } = await store.read(exactly(key));
          return entries[0]?.value === value ? (entries[0]?.modRevision ?? revision) : undefined;
        });
        // Who follows the cordons does not hear of a turn.
        return isSame && typeof settled === "number" ? before.revision : settled;
      },
      signal,
    );
  };

  /** What there is of keys of metadata. */
  const metadataNow = async (machines: ReadonlySet<MachineId>): Promise<ReadonlyMap<string, Entry>> => {
    const found = new Map<string, Entry>();
    for (const machine of machines) {
      const { entries } = await store.read(under(fleetKeys.metadata(machine, "")));
      for (const entry of entries) found.set(entry.key, entry);
    }
    return found;
  };

  return {
    view: () => source.view(),
    subscribe: (listener) => source.subscribe(listener),
    reached: (revision, signal) => source.reached(revision, signal),

    async create(unit, by) {
      const settled = await put(unit, 0, "unit.created", by);
      if (typeof settled === "number") return settled;
      throw new Fault("unit-exists", `unit ${unit.name} exists already`);
    },

    async replace(unit, seen, by) {
      const settled = await put(unit, seen, "unit.changed", by);
      if (typeof settled === "number") return settled;
      if (settled === "overtaken") throw overtaken(`unit ${unit.name}`);
      throw new Fault("unit-changed", `unit ${unit.name} was changed by somebody else meanwhile; try again`);
    },

    setTarget(name: UnitName, target: TargetState, by?: Caller) {
      return changeUnit(name, (unit) =>
        unit.target === target
          ? Promise.resolve(unit.revision)
          : put({ ...unit, target }, unit.revision, "unit.target", by),
      );
    },

    async restart(name: UnitName, by?: Caller) {
      let restart: Revision = 0;
      const revision = await changeUnit(name, async (unit) => {
        if (unit.target !== "launched") throw new Fault("unit-not-launched", whyNoRestart(unit));
        restart = unit.revision;
        return await put({ ...unit, restart }, unit.revision, "unit.restart", by);
      });
      return { restart, revision };
    },

    destroy(name: UnitName, by?: Caller) {
      const note = { kind: "unit.destroyed", unit: name } as const;
      return changeUnit(name, async (unit) => await write(name, undefined, unit.revision, note, by));
    },

    async setMetadata(changes: readonly MetadataChange[], by?: Caller, signal?: AbortSignal) {
      if (changes.length === 0) return source.view().revision;
      const last = new Map<string, string>();
      for (const { machine, key, value } of changes) last.set(fleetKeys.metadata(machine, key), value ?? "");
      if (last.size > mostMetadataKeys)
        throw new Fault(
          "too-many-changes",
          `cannot change ${last.size} metadata keys at once; send at most ${mostMetadataKeys}`,
        );
      const machines = new Set(changes.map(({ machine }) => machine));
      const event = events === undefined ? [] : [events.operation(metadataNotes(changes), by)];
      const puts = Array.from(last, ([key, value]): Operation => ({ do: "put", key, value }));
      const what = `the metadata of ${[...machines].map((machine) => `machine ${machine}`).join(", ")}`;
      return await change(
        what,
        async () => {
          const seen = await metadataNow(machines);
          if (signal?.aborted === true) return "overtaken";
          // Keys that have their value are written, too: so no write that is still on its way comes after this one.
          const when = [...last.keys()].map((key) => ({ key, modRevision: seen.get(key)?.modRevision ?? 0 }));
          return await settle(store, { when, then: [...puts, ...event] }, async () => {
            const now = await metadataNow(machines);
            const isThere = [...last].every(([key, value]) => now.get(key)?.value === value);
            return isThere
              ? Math.max(...[...last.keys()].map((key) => now.get(key)?.modRevision ?? 0))
              : undefined;
          });
        },
        signal,
      );
    },

    async cordon(cordon: Cordon, by?: Caller, signal?: AbortSignal) {
      const kind = cordon.drain === undefined ? "machine.cordoned" : "machine.draining";
      return await writeCordon(cordon.machine, encodeCordon(cordon), kind, { by, signal });
    },

    async uncordon(machine: MachineId, by?: Caller, signal?: AbortSignal) {
      return await writeCordon(machine, undefined, "machine.uncordoned", { by, signal });
    },
  };
}

/** Who asks for a change, and until when. */
interface Asked {
  readonly by: Caller | undefined;
  readonly signal: AbortSignal | undefined;
}

function overtaken(what: string): Fault {
  return new Fault(
    "overtaken",
    `somebody else changed ${what} before the store answered; look at it, and try again if that is still wanted`,
  );
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
