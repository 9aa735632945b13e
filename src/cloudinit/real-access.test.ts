import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { realAccess } from "./real-access.ts";
import { userDataLimitBytes } from "./user-data.ts";

let server: Server;
let asked = 0;
const pauses: number[] = [];

/** A metadata service that answers with these statuses, the last again and again. */
async function service(statuses: readonly number[], body = "answer"): Promise<string> {
  asked = 0;
  pauses.length = 0;
  server = createServer((_, response) => {
    const status = statuses[Math.min(asked++, statuses.length - 1)] ?? 500;
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function access() {
  const env = new FakeEnv();
  const sleep = async (ms: number): Promise<void> => void pauses.push(ms);
  return realAccess({
    random: env.random,
    log: env.log,
    clock: { now: () => 0, monotonic: () => 0, sleep },
  });
}

test("what is not there is not asked for again", async () => {
  const url = await service([404]);
  assert.equal(await access().get(url), undefined);
  assert.equal(asked, 1);
});

test("a service that is not ready is asked again, with longer pauses", async () => {
  const url = await service([503, 500, 200]);
  const answer = await access().get(url);
  assert.equal(Buffer.from(answer ?? []).toString(), "answer");
  assert.deepEqual(pauses, [50, 100]);
});

test("in the end it is told that nobody answers", async () => {
  const url = await service([500]);
  await assert.rejects(access().get(url), (error) => error instanceof Fault && error.code === "no-answer");
  assert.equal(asked, 15);
  assert.equal(Math.max(...pauses), 5_000);
});

test("an answer without end is not read to its end, nor asked for again", async () => {
  const url = await service([200], "x".repeat(userDataLimitBytes + 1));
  await assert.rejects(access().get(url), /longer than/);
  assert.equal(asked, 1);
});

test("other schemes than http are refused", async () => {
  await service([200]);
  await assert.rejects(access().get("file:///etc/shadow"), /begin with http/);
});
