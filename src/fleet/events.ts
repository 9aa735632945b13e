import { under } from "../store/range.ts";
import type { Entry, Operation, Revision } from "../store/store.ts";
import type { MachineId, Reason, TargetState, UnitName } from "./model.ts";

/**
 * What happened in the cluster, written down in the same transaction as the change itself. Each writer adds records of its
 * own; the leading engine deletes the oldest (`event-keeper.ts`). Outside of `fleetPrefix`, so that nobody who follows the
 * cluster has to follow its history.
 */
export const eventsPrefix = "/argosy/events/";

/** Every record of an event. */
export const eventRecords = under(`${eventsPrefix}fleet/`);

/** Written when records are deleted; its revision separates what may be missing from what is complete. */
export const forgottenKey = `${eventsPrefix}forgotten`;

/** Every kind of event. The word before the dot is who decided: a client, the engine, or a machine. */
export const eventKinds = [
  "unit.created",
  "unit.changed",
  "unit.target",
  "unit.restart",
  "unit.destroyed",
  "machine.metadata",
  "machine.joined",
  "machine.left",
  "machine.changed",
  "machine.cordoned",
  "machine.draining",
  "machine.uncordoned",
  "decision.placed",
  "decision.moved",
  "decision.unplaced",
  "decision.waiting",
  "state.changed",
] as const;

export type EventKind = (typeof eventKinds)[number];

/** What happened, as its writer tells it. What does not apply is absent. */
export interface EventNote {
  readonly kind: EventKind;
  readonly unit?: UnitName;
  readonly machine?: MachineId;
  /** The machine that the unit leaves. */
  readonly from?: MachineId;
  /** What is wanted of the unit from now on. */
  readonly target?: TargetState;
  /** Hash of the unit's new text. */
  readonly hash?: string;
  /** Why, in a few words. */
  readonly because?: string;
  /** Why a unit waits, machine by machine; at most `mostReasons`. */
  readonly reasons?: readonly Reason[];
  /** What systemd says about the unit. */
  readonly state?: EventState;
  /** Metadata that was set; the empty text stands for a key that was removed. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** States of this unit that were passed over before this one, because it changed too often. */
  readonly omitted?: number;
}

export interface EventState {
  readonly active: string;
  readonly sub: string;
  readonly load: string;
  readonly result?: string;
  readonly problem?: string;
}

/** Who asked for a change, as far as the API can know: it has no authentication. */
export interface Caller {
  /** Who the client says it acts for, such as `core@laptop`. */
  readonly user?: string;
  /** The address that the request came from; absent for a local socket. */
  readonly address?: string;
  /** The client's `User-Agent`. */
  readonly program?: string;
}

/** An event as readers see it. */
export interface FleetEvent extends EventNote {
  /** The cursor: what comes after it is asked for with it. `REVISION-NUMBER`. */
  readonly id: EventId;
  /** When it happened, by the clock of the machine that wrote it; ISO 8601 in UTC. */
  readonly at: string;
  /** The machine whose daemon wrote it. */
  readonly writer: MachineId;
  readonly by?: Caller;
}

/** The revision of the store at which it happened, a dash, and a number among the events of that revision. */
export type EventId = string;

/** Why a unit waits is told for this many machines; the placement has them all. */
export const mostReasons = 20;
/** Events one record can hold. */
export const mostNotesOfRecord = 200;

interface EventRecord {
  readonly at: number;
  readonly writer: MachineId;
  readonly by?: Caller;
  readonly events: readonly EventNote[];
}

/** Makes the operation that writes events down. One per daemon: its keys are its own. */
export class EventWriter {
  readonly #machine: MachineId;
  readonly #now: () => number;
  /** Tells this daemon's records from those of an earlier daemon of the machine. */
  readonly #series: string;
  #count = 0;

  /** @param random a number in [0, 1) */
  constructor(machine: MachineId, now: () => number, random: () => number) {
    this.#machine = machine;
    this.#now = now;
    const chance = Math.floor(random() * 0xffffffff).toString(36);
    this.#series = `${now().toString(36)}${chance}`;
  }

  /** To be put into the transaction that makes it happen; `notes` has at least one. */
  operation(notes: readonly EventNote[], by?: Caller): Operation {
    this.#count += 1;
    const key = `${eventRecords.from}${this.#machine}/${this.#series}-${this.#count.toString(36)}`;
    const record: EventRecord = {
      at: this.#now(),
      writer: this.#machine,
      ...(by === undefined ? {} : { by }),
      events: notes.slice(0, mostNotesOfRecord),
    };
    return { do: "put", key, value: JSON.stringify(record) };
  }
}

/** A record that was read. */
export interface EventsAt {
  readonly key: string;
  readonly revision: Revision;
  readonly record: EventRecord;
}

/** Decodes one record; undefined when it cannot be read, so that a bad one hides nothing. */
export function decodeEvents({ key, value, modRevision }: Entry): EventsAt | undefined {
  try {
    const record = JSON.parse(value) as EventRecord | null;
    if (record === null || !Array.isArray(record.events) || typeof record.at !== "number") return undefined;
    return { key, revision: modRevision, record };
  } catch {
    return undefined;
  }
}

/** The events of these records, oldest first, with their cursors. */
export function inOrder(records: readonly EventsAt[]): FleetEvent[] {
  const sorted = records.toSorted((a, b) => a.revision - b.revision || (a.key < b.key ? -1 : 1));
  const events: FleetEvent[] = [];
  let number = 0;
  let revision: Revision = 0;
  for (const { revision: own, record } of sorted) {
    if (own !== revision) number = 0;
    revision = own;
    for (const note of record.events) {
      const { at, writer, by } = record;
      events.push({
        id: `${own}-${number}`,
        at: new Date(at).toISOString(),
        ...note,
        writer,
        ...(by === undefined ? {} : { by }),
      });
      number += 1;
    }
  }
  return events;
}

/** A place in the history: everything up to and with this event. */
export interface Cursor {
  readonly revision: Revision;
  readonly number: number;
}

/** The cursor before everything. */
export const fromTheStart: Cursor = { revision: 0, number: 0 };

/** Reads `REVISION-NUMBER`, or `REVISION` for the whole revision; undefined for anything else. */
export function readCursor(text: string): Cursor | undefined {
  const [, revision, number] = /^(\d{1,15})(?:-(\d{1,6}))?$/.exec(text) ?? [];
  if (revision === undefined) return undefined;
  return { revision: Number(revision), number: number === undefined ? 999_999 : Number(number) };
}

/** Whether an event comes after a cursor. */
export function isAfter(id: EventId, cursor: Cursor): boolean {
  const at = readCursor(id);
  if (at === undefined) return false;
  return at.revision > cursor.revision || (at.revision === cursor.revision && at.number > cursor.number);
}

/** What a reader wants to see; an empty list means everything. */
export interface EventFilter {
  readonly units: readonly UnitName[];
  /** Full IDs, or prefixes of at least eight characters. */
  readonly machines: readonly string[];
  /** Kinds, or the words before their dots. */
  readonly kinds: readonly string[];
}

/** Whether an event is one of those a reader wants. */
export function passes(event: EventNote, { units, machines, kinds }: EventFilter): boolean {
  if (units.length > 0 && (event.unit === undefined || !units.includes(event.unit))) return false;
  if (kinds.length > 0 && !kinds.some((kind) => event.kind === kind || event.kind.startsWith(`${kind}.`)))
    return false;
  if (machines.length === 0) return true;
  const named = [event.machine, event.from, ...(event.reasons ?? []).map(({ machine }) => machine)];
  return named.some((id) => id !== undefined && machines.some((wanted) => isMachine(id, wanted)));
}

const shortIdLength = 8;

function isMachine(id: MachineId, wanted: string): boolean {
  return id === wanted || (wanted.length >= shortIdLength && id.startsWith(wanted));
}

/** Reads `?unit=&machine=&kind=`, each as often as wanted. */
export function readFilter(query: URLSearchParams): EventFilter | { readonly problem: string } {
  const filter = {
    units: query.getAll("unit"),
    machines: query.getAll("machine"),
    kinds: query.getAll("kind"),
  };
  const words = new Set<string>([...eventKinds, ...eventKinds.map((kind) => kind.split(".")[0] ?? "")]);
  const unknown = filter.kinds.find((kind) => !words.has(kind));
  if (unknown !== undefined)
    return { problem: `there is no kind of event ${JSON.stringify(unknown)}: use ${[...words].join(", ")}` };
  return filter;
}

/** Reasons as an event tells them. */
export function fewReasons(reasons: readonly Reason[]): readonly Reason[] {
  if (reasons.length <= mostReasons) return reasons;
  const more = reasons.length - mostReasons;
  return [...reasons.slice(0, mostReasons), { why: `and ${more} more machines` }];
}
