import assert from "node:assert/strict";
import { test } from "node:test";
import { startForeground } from "../differential/foreground.ts";
import { attack, faultsIn } from "./attack.ts";

/** How long requests are sent, in ms: as many as the machine manages, and always the same ones in the same order. */
const enoughMs = 60_000;
const seed = 1;

test(`the server outlives a minute of broken requests and serves well after each five hundred (seed ${seed})`, async (context) => {
  await using server = await startForeground();
  const begunMs = performance.now();
  const { requests, faults } = await attack(server, seed, () => performance.now() - begunMs < enoughMs);
  context.diagnostic(`${requests} requests`);
  assert.deepEqual(faults, []);
  assert.ok(requests > 0);
});

test("an answer that blames the server has to say why", () => {
  const reason = '{"errorCode":300,"message":"Raft Internal Error","index":0}';
  assert.deepEqual(faultsIn(`HTTP/1.1 500 Internal Server Error\r\nX: y\r\n\r\n${reason}`), []);
  assert.deepEqual(faultsIn("HTTP/1.1 200 OK\r\n\r\n503"), []);
  assert.equal(faultsIn("HTTP/1.1 500 Internal Server Error\r\nX: y\r\n\r\n").length, 1);
  assert.equal(faultsIn("HTTP/1.1 200 OK\r\n\r\naHTTP/1.1 503 No\r\n\r\noops").length, 1);
  assert.equal(faultsIn("oops").length, 1);
});
