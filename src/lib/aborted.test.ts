import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { orAborted } from "./aborted.ts";

test("a wait ends with what it waits for", async () => {
  const { signal } = new AbortController();
  assert.equal(await orAborted(Promise.resolve("done"), signal), "done");
  await assert.rejects(orAborted(Promise.reject(new Error("broken")), signal), /broken/);
  assert.equal(getEventListeners(signal, "abort").length, 0, "nothing is left on a signal that lives long");
});

test("a wait ends with the signal, and a failure that comes later disturbs nobody", async () => {
  const stop = new AbortController();
  const { promise, reject } = Promise.withResolvers<string>();
  const waiting = orAborted(promise, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(orAborted(promise, stop.signal), /enough/);
  reject(new Error("too late"));
  await new Promise((resolve) => setImmediate(resolve));
});
