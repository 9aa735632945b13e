import type { JournalOptions, JournalWindow } from "../fleet/local-machine.ts";
import type { MachineId, UnitName } from "../fleet/model.ts";
import { pauseMs } from "../lib/backoff.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { JournalPlace, firstNewLine } from "./journal-place.ts";
import { isUnanswered } from "./remote.ts";
import { type Absence, type Asking, nextChanges } from "./wait.ts";

export interface Following extends Asking {
  readonly names: readonly UnitName[];
  readonly options: Pick<JournalOptions, "lines" | "output">;
  /** Takes whole lines. */
  readonly write: (lines: string) => Promise<void>;
}

/** Pauses before a journal that broke off is asked for again, in ms. */
const reopenPauses = { firstMs: 200, mostMs: 5000 };
/**
 * A journal is read up to so many ms ago, and followed from there: lines are written into it in the order of their times, but a moment
 * after them.
 */
const settledMs = 200;
/** So many lines after its beginning a journal that is followed is opened anew, so that there is never more to read again. */
const mostFollowedLines = 20_000;

/**
 * Prints the journals of units from all machines they are on, line by line as they come, and those of machines they come to
 * later. Goes on when the API or a machine was away: from where it was, for as long as somebody reads. Ends when all units are
 * destroyed. Throws Fault `unit-missing` or `unit-nowhere` when at the beginning there is nothing to read.
 */
export async function followJournals(given: Following): Promise<void> {
  const ended = new AbortController();
  try {
    await follow({ ...given, signal: AbortSignal.any([given.signal, ended.signal]) });
  } finally {
    // Journals of machines that the units have left are still open.
    ended.abort();
  }
}

async function follow(following: Following): Promise<void> {
  const { env, names, signal } = following;
  const sinceMs = env.clock.monotonic();
  const places = new Map<string, JournalPlace>();
  const open = new Set<string>();
  const held = new Map<UnitName, ReadonlySet<MachineId>>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  let after = 0;
  let absence: Absence | undefined;
  for (;;) {
    const next = await Promise.race([
      nextChanges(following, names, after, undefined, absence),
      failure.promise,
    ]);
    signal.throwIfAborted();
    absence = next.absence;
    after = absence === undefined ? (next.changes?.revision ?? after) : 0;
    const isFirst = places.size === 0;
    for (const report of next.changes?.units ?? []) {
      const { name, states, desiredState } = report;
      held.set(name, desiredState === undefined && states.length === 0 ? nowhere : machinesOf(states));
      for (const { machine } of states) {
        const key = `${machine.id}/${name}`;
        if (open.has(key)) continue;
        const place = places.get(key) ?? new JournalPlace(isFirst ? undefined : sinceMs);
        places.set(key, place);
        open.add(key);
        const isHeld = (): boolean => held.get(name)?.has(machine.id) === true;
        const left = (): void => void open.delete(key);
        keepReading(following, { name, machine: machine.id, isHeld, left }, place).catch(failure.reject);
      }
    }
    if (next.changes === undefined || held.size < names.length) continue;
    const gone = Array.from(held.values()).every((machines) => machines === nowhere);
    if (isFirst && places.size === 0)
      throw new Fault(gone ? "unit-missing" : "unit-nowhere", "nothing to follow");
    if (gone) return;
  }
}

/** The machines of a unit that the registry does not have. */
const nowhere: ReadonlySet<MachineId> = new Set();

function machinesOf(
  states: readonly { readonly machine: { readonly id: MachineId } }[],
): ReadonlySet<MachineId> {
  return new Set(states.map(({ machine }) => machine.id));
}

interface Source {
  readonly name: UnitName;
  readonly machine: MachineId;
  /** Whether the unit is on the machine now. */
  readonly isHeld: () => boolean;
  /** Called when it is not and nothing more is read. */
  readonly left: () => void;
}

/** Reads the journal of a unit on one machine, again and again, until the unit is there no more and the journal at its end. */
async function keepReading(following: Following, source: Source, place: JournalPlace): Promise<void> {
  const { env, signal } = following;
  let tries = 0;
  for (;;) {
    try {
      await catchUp(following, source, place);
      for await (const lines of journalLines(following, source, {
        ...place.begin(env.clock),
        follow: true,
      })) {
        tries = 0;
        await following.write(lines.join(""));
        place.followed(lines, env.clock);
        if (place.count >= mostFollowedLines) break;
      }
      signal.throwIfAborted();
      if (place.count >= mostFollowedLines) continue;
    } catch (error) {
      if (signal.aborted || !isFault(error)) throw error;
      if (place.isUntouched && isUnanswered(error)) throw error;
    }
    if (!source.isHeld()) return source.left();
    tries++;
    await env.clock.sleep(pauseMs(reopenPauses, tries, env.random()), signal);
  }
}

/** Prints what was written since the place, or at first the last lines, and takes the place to the end of that. */
async function catchUp(following: Following, source: Source, place: JournalPlace): Promise<void> {
  const { env, options, write } = following;
  const lines: string[] = [];
  let endMs: number | undefined;
  const answered = (end: number | undefined): void => void (endMs = end);
  const asked = { lines: options.lines, ...place.begin(env.clock), follow: false, olderMs: settledMs };
  for await (const more of journalLines(following, source, asked, answered)) lines.push(...more);
  const fresh = lines.slice(firstNewLine(lines, place.last, place.count));
  if (fresh.length > 0) await write(fresh.join(""));
  place.caughtUp(fresh, endMs, env.clock);
}

function journalLines(
  { client, options, signal }: Following,
  { name, machine }: Source,
  asked: Pick<JournalOptions, "follow"> & Partial<JournalOptions> & JournalWindow,
  answered?: (endMs: number | undefined) => void,
): AsyncGenerator<readonly string[]> {
  return wholeLines(client.journal(name, { ...options, ...asked }, signal, machine, answered));
}

/** The lines of a text that comes in pieces, with their ends, as many at a time as there are; one without an end was cut off. */
async function* wholeLines(pieces: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let rest = "";
  for await (const piece of pieces) {
    const parts = (rest + piece).split(/(?<=\n)/);
    rest = parts.at(-1)?.endsWith("\n") === true ? "" : (parts.pop() ?? "");
    if (parts.length > 0) yield parts;
  }
}
