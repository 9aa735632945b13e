import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Lab, labDown } from "../../src/lab/lab.ts";
import { openTrialLab, runTrial } from "../consistency/trial.ts";
import { testLab } from "./lab-name.ts";

// What clients on five machines may rely on while machines are killed, paused and cut off.

const name = testLab("test-consistency");
const faultsMs = 60_000;
let lab: Lab;

before(async () => {
  lab = await openTrialLab(name, say);
});
after(async () => await labDown(name));

for (const round of ["first", "second"]) {
  test(`every answer fits into one order, and no machine's view goes back: ${round} history`, async () => {
    const { violations, ...seen } = await runTrial(lab, faultsMs, say);
    say(`  ${JSON.stringify(seen)}`);
    assert.deepEqual(violations, []);
    assert.ok(seen.operations > 500 && seen.localReads > 100, "the machines were busy");
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
