import assert from "node:assert/strict";
import { test } from "node:test";
import { Jobs } from "./jobs.ts";

const path = "/org/freedesktop/systemd1/job/1";

test("a job's end is given whether the signal comes before or after the reply", async () => {
  const jobs = new Jobs();
  jobs.removed(path, "done");
  assert.deepEqual(await jobs.wait(path), { kind: "ended", result: "done" });

  const later = jobs.wait(path);
  assert.deepEqual(jobs.awaited(), [path]);
  jobs.removed(path, "failed");
  assert.deepEqual(await later, { kind: "ended", result: "failed" });
  assert.deepEqual(jobs.awaited(), []);
});

test("a job whose signal was missed, and one that takes too long, end without a result", async () => {
  const jobs = new Jobs();
  const lost = jobs.wait(path);
  jobs.lose(path);
  assert.deepEqual(await lost, { kind: "lost" });
  const late = jobs.wait(path);
  jobs.giveUp(path);
  assert.deepEqual(await late, { kind: "late" });
});

test("jobs of other programs do not pile up", async () => {
  const jobs = new Jobs();
  for (let number = 0; number < 10_000; number++) jobs.removed(`job/${number}`, "done");
  assert.deepEqual(await jobs.wait("job/9999"), { kind: "ended", result: "done" });
  const forgotten = jobs.wait("job/0");
  assert.deepEqual(jobs.awaited(), ["job/0"]);
  jobs.lose("job/0");
  assert.deepEqual(await forgotten, { kind: "lost" });
});
