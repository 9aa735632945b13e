import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { inBatch } from "./batch.ts";

test("a whole batch is one call when nothing is wrong with it", async () => {
  const calls: (readonly string[])[] = [];
  const act = async (names: readonly string[]): Promise<void> => {
    calls.push(names);
  };
  assert.equal((await inBatch(["a.service", "b.service"], act)).size, 0);
  assert.deepEqual(calls, [["a.service", "b.service"]]);
  await inBatch([], act);
  assert.equal(calls.length, 1);
});

test("a refused batch is done one by one, and only the broken ones are refused", async () => {
  const done: string[] = [];
  const refused = await inBatch(["a.service", "bad.service", "c.service"], async (names) => {
    if (names.includes("bad.service")) throw new Fault("bus-refused", "it is masked");
    done.push(...names);
  });
  assert.deepEqual([...refused], [["bad.service", "it is masked"]]);
  assert.deepEqual(done.sort(), ["a.service", "c.service"]);
});

test("a reason that is returned counts like a refusal", async () => {
  const refused = await inBatch(["a.service"], async () => "nothing to install");
  assert.deepEqual([...refused], [["a.service", "nothing to install"]]);
});

test("a manager that is away is the caller's matter", async () => {
  const away = new Fault("manager-unavailable", "cannot reach systemd");
  await assert.rejects(
    inBatch(["a.service", "b.service"], async () => {
      throw away;
    }),
    (error) => error === away,
  );
});
