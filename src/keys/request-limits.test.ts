import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { RequestLimits } from "./request-limits.ts";

const timedOut = new Error("timed out");
const stopped = new Error("stopped");

test("requests that come together share a limit, later ones have their own", async () => {
  const env = new FakeEnv();
  const end = new AbortController();
  const limits = new RequestLimits(env, 7_000, timedOut, stopped, end.signal);
  const first = limits.next();
  await env.advance(99);
  assert.equal(limits.next(), first);
  await env.advance(1);
  const second = limits.next();
  assert.notEqual(second, first);
  await env.advance(6_900);
  assert.equal(first.reason, timedOut);
  assert.equal(second.aborted, false);
  end.abort(new Error("the test is over"));
  await env.settle();
  assert.equal(second.reason, stopped);
  await env.settle();
  assert.notEqual(limits.next(), second);
});
