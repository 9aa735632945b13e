import { Fault } from "../lib/fault.ts";
import { compareText } from "../lib/text.ts";

/** The reboot semaphore of a group of machines, as locksmith 0.6.2 keeps it in one key. */
export interface Semaphore {
  /** Free slots: `max` less the holders; negative after `max` was lowered below them. */
  readonly free: number;
  /** Slots in all; 0 lets nobody reboot. */
  readonly max: number;
  /** Ids of the machines that hold a slot, sorted. */
  readonly holders: readonly string[];
  /** True until the first lock: locksmith writes `null` for the holders then, and `[]` when the last one has left. */
  readonly untouched: boolean;
}

/** A change that was decided, or why there is none in locksmith's words. */
export type Decision = { readonly semaphore: Semaphore } | { readonly refused: string };

/** What a group starts with. */
export const firstSemaphore: Semaphore = { free: 1, max: 1, holders: [], untouched: true };

/** The value of the key, to the byte as locksmith writes it, but for `<`, `>` and `&`, which need `goJson`'s care. */
export function semaphoreBody({ free, max, holders, untouched }: Semaphore): object {
  return { semaphore: free, max, holders: untouched && holders.length === 0 ? null : holders };
}

/**
 * Reads the value of the key.
 * @param where the key, for the message
 * Throws Fault `bad-semaphore` when it is none.
 */
export function parseSemaphore(text: string, where: string): Semaphore {
  const body = parsed(text) as { semaphore?: unknown; max?: unknown; holders?: unknown } | null | undefined;
  // Go reads a value without holders as one with none.
  const { semaphore: free, max, holders = null } = body ?? {};
  const ids: readonly unknown[] | undefined = Array.isArray(holders) ? holders : undefined;
  const wellFormed = Number.isSafeInteger(free) && Number.isSafeInteger(max);
  if (!wellFormed || (ids === undefined && holders !== null) || ids?.some((id) => typeof id !== "string")) {
    throw new Fault(
      "bad-semaphore",
      `cannot read the reboot semaphore: ${where} holds no semaphore of locksmith; look at it with "etcdctl get ${where}" and remove it`,
    );
  }
  const names = (ids ?? []) as readonly string[];
  return { free: free as number, max: max as number, holders: names, untouched: ids === undefined };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Gives a machine a slot. A machine that has one keeps it: unlike locksmith's, our lock can be asked for again.
 * @param ended holders whose lease has ended; they lose their slots in the same step
 * @param ahead how many machines have waited longer; there has to be a slot for each of them as well
 */
export function lock(before: Semaphore, id: string, ended: readonly string[], ahead = 0): Decision {
  const semaphore = ended
    .filter((holder) => holder !== id)
    .reduce((rest, holder) => withoutHolder(rest, holder), before);
  if (semaphore.holders.includes(id)) return { semaphore };
  if (semaphore.free <= 0) return { refused: `semaphore is at ${semaphore.free}` };
  if (semaphore.free <= ahead)
    return { refused: `semaphore is at ${semaphore.free} and ${ahead} machine(s) have waited longer` };
  const holders = [...semaphore.holders, id].sort(compareText);
  return { semaphore: { ...semaphore, free: semaphore.free - 1, holders, untouched: false } };
}

/** Takes a machine's slot back. */
export function unlock(before: Semaphore, id: string): Decision {
  if (!before.holders.includes(id)) return { refused: "holder does not exist" };
  return { semaphore: withoutHolder(before, id) };
}

/** Changes the number of slots; holders stay, even if they are more than that. */
export function setMax(before: Semaphore, max: number): Semaphore {
  return { ...before, free: before.free + max - before.max, max };
}

function withoutHolder(semaphore: Semaphore, id: string): Semaphore {
  const holders = semaphore.holders.filter((holder) => holder !== id);
  const left = semaphore.holders.length - holders.length;
  return { ...semaphore, free: semaphore.free + left, holders, untouched: false };
}
