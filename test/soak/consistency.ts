import process from "node:process";
import { parseArgs } from "node:util";
import { labDown } from "../../src/lab/lab.ts";
import { openTrialLab, runTrial } from "../consistency/trial.ts";

const labName = "soak-consistency";
const usualSeconds = 600;
/** Histories are checked in parts of this length: the search for an order keeps every situation it has seen. */
const partMs = 60_000;

/** `npm run soak -- consistency [--seconds N]`: one history after the other until the time is over; 1 after a violation. */
export async function soakConsistency(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: { seconds: { type: "string", default: String(usualSeconds) } },
  });
  const seconds = Number(values.seconds);
  if (!Number.isFinite(seconds) || seconds <= 0) {
    process.stderr.write(`--seconds is a number above 0, not "${values.seconds}"\n`);
    return 2;
  }
  const end = performance.now() + seconds * 1_000;
  const total = { histories: 0, operations: 0, unknown: 0, localReads: 0, faults: 0, violations: 0 };
  try {
    const lab = await openTrialLab(labName, say);
    while (performance.now() < end) {
      const { violations, ...seen } = await runTrial(lab, partMs, say);
      for (const violation of violations) say(violation);
      total.histories += 1;
      total.operations += seen.operations;
      total.unknown += seen.unknown;
      total.localReads += seen.localReads;
      total.faults += seen.faults;
      total.violations += violations.length;
      say(JSON.stringify(total));
    }
  } finally {
    await labDown(labName);
  }
  return total.violations === 0 ? 0 : 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
