import assert from "node:assert/strict";
import { test } from "node:test";
import { Reloads } from "./reloads.ts";

/** Reloads that wait to be ended, one after the other. */
function withReloads(): { reloads: Reloads; end: (error?: Error) => Promise<void>; begun: () => number } {
  let begun = 0;
  const running: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const reloads = new Reloads(async () => {
    begun += 1;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    running.push({ resolve, reject });
    await promise;
  });
  const end = async (error?: Error): Promise<void> => {
    await new Promise(setImmediate);
    const first = running.shift() ?? assert.fail("nothing is read");
    if (error === undefined) first.resolve();
    else first.reject(error);
    await new Promise(setImmediate);
  };
  return { reloads, end, begun: () => begun };
}

test("what changes while systemd reads is read by the next reload, which all share", async () => {
  const { reloads, end, begun } = withReloads();
  const first = reloads.reload(["a.service"]);
  await new Promise(setImmediate);
  const others = [reloads.reload(["b.service"]), reloads.reload(["c.service"])];
  await end();
  await first;
  assert.deepEqual([reloads.isUnread("a.service"), reloads.isUnread("b.service")], [false, true]);
  await end();
  await Promise.all(others);
  assert.equal(reloads.isUnread("c.service"), false);
  assert.equal(begun(), 2);
});

test("a unit whose reload was refused stays unread until one succeeds, whoever asks for it", async () => {
  const { reloads, end } = withReloads();
  const refused = assert.rejects(reloads.reload(["a.service"]), /no space/);
  await end(new Error("no space"));
  await refused;
  assert.equal(reloads.isUnread("a.service"), true);
  const other = reloads.reload(["b.service"]);
  await end();
  await other;
  assert.equal(reloads.isUnread("a.service"), false);
});
