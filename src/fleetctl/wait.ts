import { pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault } from "../lib/fault.ts";
import type { FleetClient, UnitChanges } from "../fleet/api-client.ts";
import type { UnitReport } from "../fleet/api-entities.ts";
import type { UnitName } from "../fleet/model.ts";
import { pollChanges } from "./poll.ts";
import type { Verdict } from "./verdicts.ts";

/** How a unit came out of the wait; `pending` when the time was over. */
export type Outcomes = ReadonlyMap<UnitName, Verdict>;

/** Who asks for changes. */
export interface Asking {
  readonly client: FleetClient;
  readonly env: Pick<Env, "clock" | "random">;
  readonly signal: AbortSignal;
}

export interface Wait extends Asking {
  readonly names: readonly UnitName[];
  readonly judge: (report: UnitReport) => Verdict;
  /** Called once for each unit, as soon as its verdict is final. */
  readonly settled: (name: UnitName, verdict: Verdict) => void;
  /** Ends the wait; undefined waits for as long as it takes. */
  readonly limitMs: number | undefined;
}

/** How long the API may be away while units are waited for, in ms: time for its daemon or its machine to start again. */
const absenceLimitMs = 60_000;
const absencePauses = { firstMs: 100, mostMs: 2000 };

interface Held {
  readonly verdict: Verdict;
  readonly sinceMs: number;
}

/**
 * Follows units until each has a final verdict. A verdict with `afterMs` is final once it has held for that long.
 * Wakes only when the server tells of a change, or when a verdict or the wait itself falls due. An API that goes away is
 * asked again until it is back, for `absenceLimitMs`.
 */
export async function waitForUnits(wait: Wait): Promise<Outcomes> {
  const { names } = wait;
  const { clock } = wait.env;
  const startMs = clock.monotonic();
  const held = new Map<UnitName, Held>();
  const outcomes = new Map<UnitName, Verdict>();
  let after = 0;
  let absence: Absence | undefined;
  for (;;) {
    const open = names.filter((name) => !outcomes.has(name));
    const nowMs = clock.monotonic();
    const leftMs = wait.limitMs === undefined ? undefined : startMs + wait.limitMs - nowMs;
    if (open.length === 0 || (leftMs !== undefined && leftMs <= 0)) return outcomes;
    const dueMs = firstDue([leftMs, ...dueTimes(held, nowMs)]);
    const next = await nextChanges(wait, open, after, dueMs, absence);
    absence = next.absence;
    // Whoever comes back may have seen less than what was told before: ask for everything.
    after = absence === undefined ? (next.changes?.revision ?? after) : 0;
    for (const report of next.changes?.units ?? [])
      hold(held, report.name, wait.judge(report), clock.monotonic());
    for (const name of open) {
      const verdict = finalVerdict(held.get(name), clock.monotonic());
      if (verdict === undefined) continue;
      outcomes.set(name, verdict);
      held.delete(name);
      wait.settled(name, verdict);
    }
  }
}

/** A verdict of the same kind keeps its age, with what is known newest. */
function hold(held: Map<UnitName, Held>, name: UnitName, verdict: Verdict, nowMs: number): void {
  const before = held.get(name);
  const sinceMs = before?.verdict.kind === verdict.kind ? before.sinceMs : nowMs;
  held.set(name, { verdict, sinceMs });
}

function finalVerdict(held: Held | undefined, nowMs: number): Verdict | undefined {
  if (held === undefined || held.verdict.kind === "pending") return undefined;
  return nowMs - held.sinceMs >= (held.verdict.afterMs ?? 0) ? held.verdict : undefined;
}

function dueTimes(held: ReadonlyMap<UnitName, Held>, nowMs: number): readonly number[] {
  return Array.from(held.values())
    .filter(({ verdict }) => verdict.kind !== "pending")
    .map(({ verdict, sinceMs }) => sinceMs + (verdict.afterMs ?? 0) - nowMs);
}

function firstDue(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known));
}

/** Since when, and at how many tries, the API could not be reached. */
export interface Absence {
  readonly sinceMs: number;
  readonly tries: number;
}

interface Next {
  /** Undefined when something fell due first, or when the API was not reached. */
  readonly changes?: UnitChanges;
  readonly absence?: Absence | undefined;
}

/** What changed; nothing when `dueMs` passed first, or when the API could not be reached, once a pause is over. */
export async function nextChanges(
  asking: Asking,
  names: readonly UnitName[],
  after: number,
  dueMs: number | undefined,
  absence: Absence | undefined,
): Promise<Next> {
  const { client, env, signal } = asking;
  const { clock } = env;
  const due = new AbortController();
  const abort = (): void => due.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const alarm = new AbortController();
  let rang = false;
  if (dueMs !== undefined) {
    clock.sleep(dueMs, alarm.signal).then(
      () => {
        rang = true;
        due.abort(new Error("due"));
        return undefined;
      },
      () => undefined,
    );
  }
  const isOver = (): boolean => rang && !signal.aborted;
  try {
    const changes = await client.changes(names, after, due.signal);
    return { changes: changes ?? (await pollChanges(client, clock, names, due.signal)) };
  } catch (error) {
    if (isOver()) return { absence };
    if (!isFault(error, "endpoint-unreachable", "api-503")) throw error;
    const since = absence ?? { sinceMs: clock.monotonic(), tries: 0 };
    if (clock.monotonic() - since.sinceMs >= absenceLimitMs) throw error;
    const tries = since.tries + 1;
    await clock
      .sleep(pauseMs(absencePauses, tries, env.random()), due.signal)
      .catch((interruption: unknown) => {
        if (!isOver()) throw interruption;
      });
    return { absence: { ...since, tries } };
  } finally {
    signal.removeEventListener("abort", abort);
    alarm.abort();
  }
}
