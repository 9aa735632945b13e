import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "./real-env.ts";

test("sleep rejects with the reason of the abort, also when it was aborted before", async () => {
  const reason = new Error("stop now");
  const controller = new AbortController();
  const sleeping = realClock.sleep(3_600_000, controller.signal);
  controller.abort(reason);
  await assert.rejects(sleeping, reason);
  await assert.rejects(realClock.sleep(0, controller.signal), reason);
});

test("sleep never ends early: what is due then is due", async () => {
  const early = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const ms = 20 + index * 0.37;
      // Not all in one turn of the loop, where Node's idea of the time would still be right.
      await realClock.sleep(index * 0.61);
      const end = realClock.monotonic() + ms;
      await realClock.sleep(ms);
      return realClock.monotonic() < end ? [ms] : [];
    }),
  );
  assert.deepEqual(early.flat(), []);
});

test("sleep longer than a timer of Node can hold does not return at once", async () => {
  const controller = new AbortController();
  const sleeping = realClock.sleep(2 ** 40, controller.signal);
  const first = await Promise.race([
    sleeping.then(() => "slept"),
    realClock.sleep(5).then(() => "still asleep"),
  ]);
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping);
  assert.equal(first, "still asleep");
});

test("sleep until a deadline that is over ends soon, without a warning", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  await realClock.sleep(-2);
  // Node gives warnings out in a later turn.
  await realClock.sleep(1);
  process.off("warning", note);
  assert.deepEqual(warnings, []);
});

test("the monotonic clock does not go back", () => {
  const before = realClock.monotonic();
  assert.ok(realClock.monotonic() >= before);
});
