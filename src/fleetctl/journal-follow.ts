import type { JournalOptions } from "../fleet/local-machine.ts";
import { mostJournalLines } from "../fleet/local-machine.ts";
import type { MachineId, UnitName } from "../fleet/model.ts";
import { pauseMs } from "../lib/backoff.ts";
import { Fault, isFault } from "../lib/fault.ts";
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
/** How far before the last line a journal is taken up again, in ms, so that nothing falls between. */
const overlapMs = 2000;
/** When an answer took longer than this, in ms, the time that was asked for is over, and it has to be asked for again. */
const slowAnswerMs = 1000;
/** Lines that are kept to know them again behind an interruption. */
const mostKnownLines = 1000;

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
  const streams = new Map<string, Promise<void>>();
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
    const isFirst = streams.size === 0;
    for (const report of next.changes?.units ?? []) {
      const { name, states, desiredState } = report;
      held.set(name, desiredState === undefined && states.length === 0 ? nowhere : machinesOf(states));
      for (const { machine } of states) {
        const key = `${machine.id}/${name}`;
        if (streams.has(key)) continue;
        const begin = isFirst ? {} : { withinMs: env.clock.monotonic() - sinceMs };
        const isHeld = (): boolean => held.get(name)?.has(machine.id) === true;
        const stream = keepReading(following, { name, machine: machine.id, isHeld }, begin);
        streams.set(key, stream);
        stream.catch(failure.reject);
      }
    }
    if (next.changes === undefined || held.size < names.length) continue;
    const gone = Array.from(held.values()).every((machines) => machines === nowhere);
    if (isFirst && streams.size === 0)
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
}

/** Reads the journal of a unit on one machine, again and again, until the unit is there no more and the journal at its end. */
async function keepReading(
  following: Following,
  { name, machine, isHeld }: Source,
  begin: Pick<JournalOptions, "withinMs">,
): Promise<void> {
  const { client, env, options, signal, write } = following;
  const { clock } = env;
  const known = new KnownLines();
  let lastMs = clock.monotonic();
  let isOpened = false;
  let tries = 0;
  for (;;) {
    const askedMs = clock.monotonic();
    const from = isOpened
      ? { lines: mostJournalLines, withinMs: askedMs - lastMs + overlapMs }
      : { lines: begin.withinMs === undefined ? options.lines : mostJournalLines, ...begin };
    const late = new AbortController();
    const answered = (): void => {
      if (isOpened && clock.monotonic() - askedMs > slowAnswerMs) late.abort();
      isOpened = true;
    };
    try {
      const either = AbortSignal.any([signal, late.signal]);
      const asked = { ...options, ...from, follow: true };
      for await (const lines of wholeLines(client.journal(name, asked, either, machine, answered))) {
        if (late.signal.aborted) break;
        if (lines.length === 0) continue;
        tries = 0;
        lastMs = clock.monotonic();
        const fresh = lines.filter((line) => known.isNew(line));
        if (fresh.length > 0) await write(fresh.join(""));
      }
    } catch (error) {
      if (signal.aborted) throw error;
      if (!late.signal.aborted && !isFault(error)) throw error;
      if (!isOpened && isUnanswered(error) && begin.withinMs === undefined) throw error;
    }
    signal.throwIfAborted();
    if (late.signal.aborted) continue;
    if (!isHeld()) return;
    known.expectAgain();
    tries++;
    await clock.sleep(pauseMs(reopenPauses, tries, env.random()), signal);
  }
}

/** Knows the last lines again when a journal is read from a little before where it broke off. */
class KnownLines {
  readonly #last: string[] = [];
  /** How often each line may come again. */
  #expected = new Map<string, number>();

  expectAgain(): void {
    this.#expected = new Map();
    for (const line of this.#last) this.#expected.set(line, (this.#expected.get(line) ?? 0) + 1);
  }

  isNew(line: string): boolean {
    const times = this.#expected.get(line) ?? 0;
    if (times > 0) {
      this.#expected.set(line, times - 1);
      return false;
    }
    this.#expected.clear();
    this.#last.push(line);
    if (this.#last.length > mostKnownLines) this.#last.shift();
    return true;
  }
}

/** The lines of a text that comes in pieces, with their ends, as many at a time as there are. */
async function* wholeLines(pieces: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let rest = "";
  for await (const piece of pieces) {
    const parts = (rest + piece).split(/(?<=\n)/);
    rest = parts.at(-1)?.endsWith("\n") === true ? "" : (parts.pop() ?? "");
    yield parts;
  }
  if (rest !== "") yield [rest];
}
