import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "./fake-env.ts";
import { KeptWhileUsed } from "./kept-while-used.ts";

const always = new AbortController().signal;

function counting(ready: Promise<void> = Promise.resolve()) {
  const env = new FakeEnv();
  const log: string[] = [];
  const kept = new KeptWhileUsed(env.clock, 1_000, () => {
    log.push("opened");
    return { ready, close: () => void log.push("closed") };
  });
  return { env, log, kept };
}

test("it is opened once for all, and closed a while after the last has gone", async () => {
  const { env, log, kept } = counting();
  const first = await kept.hold(always);
  const second = await kept.hold(always);
  assert.equal(first.resource, second.resource);
  first.release();
  first.release();
  await env.advance(5_000);
  assert.deepEqual(log, ["opened"], "somebody has it still, however often the other released it");
  second.release();
  await env.advance(999);
  assert.equal(kept.current, second.resource);
  await env.advance(1);
  assert.deepEqual(log, ["opened", "closed"]);
  assert.equal(kept.current, undefined);
});

test("who comes within the while gets the same, and the while begins anew", async () => {
  const { env, log, kept } = counting();
  (await kept.hold(always)).release();
  await env.advance(900);
  (await kept.hold(always)).release();
  await env.advance(900);
  assert.deepEqual(log, ["opened"]);
  await env.advance(100);
  assert.deepEqual(log, ["opened", "closed"]);
});

test("who gives up before it is ready does not have it", async () => {
  const { env, log, kept } = counting(new Promise(() => undefined));
  const giveUp = new AbortController();
  const held = kept.hold(giveUp.signal);
  giveUp.abort(new Error("enough"));
  await assert.rejects(held, /enough/);
  await env.advance(1_000);
  assert.deepEqual(log, ["opened", "closed"]);
});

test("closed at once it is opened anew for the next", async () => {
  const { log, kept } = counting();
  const { release } = await kept.hold(always);
  kept.close();
  release();
  await kept.hold(always);
  assert.deepEqual(log, ["opened", "closed", "opened"]);
});
