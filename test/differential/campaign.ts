import fc from "fast-check";
import { differencesOf } from "./compare.ts";
import { type Observation, type Run, Side, simple } from "./side.ts";
import { curlScript, mayWait, type Step } from "./step.ts";
import { sequences } from "./steps.ts";

/** More events than the history has, so that both servers have forgotten what was before the first sequence. */
const firstIndex = 1_200;
/** Events of open watches that are on their way have come by then, in ms. */
const settleLimitMs = 20_000;
/** How long an event that should not come is waited for, in ms, by watches that are told nothing at all. */
const quietMs = 20;
/** The value that is written last where somebody watches. */
const knock = "knock";

/** Two servers that are asked the same; `theirs` is the original. */
export interface Pair {
  readonly theirs: Side;
  readonly ours: Side;
}

/** A sequence that the servers answered differently, as short as it could be made. */
export interface Found {
  readonly seed: number;
  readonly steps: readonly Step[];
  readonly lines: readonly string[];
  /** A shell script that shows it. */
  readonly script: string;
}

/** Asks both servers `runs` sequences; undefined when they never differed. */
export async function findDifference(pair: Pair, seed: number, runs: number): Promise<Found | undefined> {
  let last: readonly string[] = [];
  const result = await fc.check(
    fc.asyncProperty(sequences, async (steps) => {
      const lines = await differencesIn(pair, steps);
      if (lines.length > 0) last = lines;
      return lines.length === 0;
    }),
    { seed, numRuns: runs },
  );
  const steps = result.counterexample?.[0];
  if (!result.failed || steps === undefined) return undefined;
  const again = await differencesIn(pair, steps);
  const lines = again.length > 0 ? again : ["(not seen again when it was repeated)", ...last];
  const script = curlScript(steps, [pair.theirs.origin, pair.ours.origin]);
  return { seed, steps, lines, script };
}

/** What to tell of it: where they differ, and how to see it again. */
export function sentenceOfFound({ seed, lines, script }: Found): string {
  return [`etcd and Argosy differ (seed ${seed}):`, ...lines, "", script].join("\n");
}

/** Has both servers at the same index, so that all numbers are equal where the servers are. */
async function align({ theirs, ours }: Pair): Promise<number> {
  for (;;) {
    const [one, other] = await Promise.all([theirs.index(), ours.index()]);
    const target = Math.max(one, other, firstIndex);
    if (one === target && other === target) return target;
    await Promise.all([theirs.pad(target - one), ours.pad(target - other)]);
  }
}

async function differencesIn(pair: Pair, steps: readonly Step[]): Promise<readonly string[]> {
  const startIndex = await align(pair);
  const both = [pair.theirs, pair.ours] as const;
  const whole = [...steps, look];
  const begunMs = Date.now();
  const [theirs, ours] = await Promise.all([
    pair.theirs.run(whole, startIndex),
    pair.ours.run(whole, startIndex),
  ]);
  try {
    await Promise.all(both.map((side) => side.run(knocks(steps), startIndex)));
    await settle(theirs, ours);
    const elapsedMs = Date.now() - begunMs;
    return whole.flatMap((step, at) => {
      const [expected, came] = [theirs.observed[at], ours.observed[at]];
      if (expected === undefined || came === undefined) return [`step ${at + 1} is missing`];
      return differencesOf(expected, came, elapsedMs).map(
        (line) => `step ${at + 1} (${nameOf(step)}): ${line}`,
      );
    });
  } finally {
    theirs.close();
    ours.close();
    await Promise.all(both.map((side) => cleanAway(side, steps)));
  }
}

/** All that is there in the end. */
const look: Step = { do: "ask", ...simple("GET", "/v2/keys/?recursive=true&sorted=true") };

/**
 * Writes at the paths that were watched, and at nothing else: whoever waits there is told, so that what was told before
 * has come by then.
 */
function knocks(steps: readonly Step[]): readonly Step[] {
  const paths = steps.flatMap((step) =>
    step.do === "ask" && mayWait(step) ? [step.target.split("?")[0] ?? ""] : [],
  );
  return Array.from(new Set(paths)).flatMap((path) => [
    { do: "ask", ...simple("DELETE", `${path}?recursive=true`) },
    { do: "ask", ...simple("PUT", `${path}?value=${knock}`) },
    { do: "ask", ...simple("DELETE", `${path}?recursive=true`) },
  ]);
}

/** Waits until the watches of both sides have been told the same, and for some moments more. */
async function settle(theirs: Run, ours: Run): Promise<void> {
  const open = theirs.observed.flatMap((expected, at) => {
    const came = ours.observed[at];
    return came !== undefined && mayWait(expected.request) ? [[expected, came] as const] : [];
  });
  if (open.length === 0) return;
  const untilMs = Date.now() + settleLimitMs;
  for (const [expected, came] of open) {
    const alike = (): boolean =>
      toldOf(expected) === toldOf(came) && expected.answer.over === came.answer.over;
    while (!alike() && Date.now() < untilMs) {
      await Promise.race([expected, came].map(({ answer }) => answer.until(alike, 100)));
    }
  }
  const silent = open.find(([expected, came]) => !hasHeardKnock(expected) || !hasHeardKnock(came));
  await silent?.[1].answer.until(() => false, quietMs);
}

/** Whether nothing more can come: the answer is over, or the event that was to come last is there. */
function hasHeardKnock({ answer }: Observation): boolean {
  return answer.over || answer.body.includes(`"value":"${knock}"`);
}

function toldOf({ answer }: Observation): number {
  return answer.body.split("\n").length;
}

/** Takes every key away but the padding: what is listed, and what the steps name, which may be hidden or no UTF-8. */
async function cleanAway(side: Side, steps: readonly Step[]): Promise<void> {
  const listed = (await side.names()).map((path) =>
    encodeURI(path).replaceAll(/[?#;+]/g, encodeURIComponent),
  );
  const named = steps.map(({ target }) => /^\/v2\/keys(\/[^/?]+)/.exec(target)?.[1]);
  // In one order, since the history of both is looked at by the next sequence.
  const tops = new Set([...listed, ...named.filter((path) => path !== undefined)].sort());
  const cleaning: Step[] = Array.from(tops, (path) => ({
    do: "ask",
    ...simple("DELETE", `/v2/keys${path}?recursive=true`),
  }));
  await side.run(cleaning, 0);
}

function nameOf(step: Step): string {
  const method = step.do === "ask" ? step.method : "PUT";
  return `${method} ${step.target}${step.body === "" ? "" : ` with ${step.body}`}`.slice(0, 200);
}
