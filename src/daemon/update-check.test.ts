import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { begin } from "../update/after-boot.ts";
import { readConfig } from "../update/config.ts";
import type { UpdateServer } from "../update/engine.ts";
import { emptyMemory } from "../update/memory.ts";
import type { CheckResult } from "../update/offer.ts";
import { parseRequest } from "../update/omaha.ts";
import { usualSchedule } from "../update/schedule.ts";
import type { UpdateState } from "../update/update-state.ts";
import { ReleaseShelf } from "./fake-release-shelf.ts";
import { updateServer } from "./update-check.ts";

let shelf: ReleaseShelf;
let server: Server;
let address: string;
/** What the server answers, and what it was asked. */
let answer: { readonly status: number; readonly body: string } = { status: 200, body: "" };
const asked: string[] = [];

before(async () => {
  shelf = await ReleaseShelf.open();
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString("utf8")));
    request.on("end", () => {
      asked.push(body);
      response.writeHead(answer.status);
      response.end(answer.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/update/`;
});

after(async () => {
  await shelf.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function sourceOf(line: string): UpdateServer {
  const { config } = readConfig([`SERVER=${line}\nGROUP=beta\nMACHINE_ALIAS=first\n`]);
  const identity = { machineId: "0123", bootId: "b", architecture: "aarch64", oem: "qemu", oemVersion: "1" };
  const downloads = { keyrings: [shelf.keyring], credentials: "" };
  return updateServer(config, identity, downloads, new FakeEnv().log) ?? assert.fail(`${line} is no server`);
}

function stateOf(running: string): UpdateState {
  const settings = { schedule: usualSchedule, timed: true };
  return begin(settings, emptyMemory, { running, trial: false, others: [] }, "b", {
    wallMs: 0,
    upMs: 0,
    chance: 0,
  }).state;
}

async function check(line: string, running = "1", pingOnly = false): Promise<CheckResult> {
  const wish = {
    onDemand: true,
    pingOnly,
    events: pingOnly ? [] : [{ type: 3, result: 2, previousVersion: "" }],
  };
  return await sourceOf(line).check(wish, stateOf(running), new AbortController().signal);
}

test("a folder offers its newest version, once its signature is good", async () => {
  const [folder = ""] = shelf.publish("2").folders;
  const offered = await check(`folder:${folder}`);
  assert.deepEqual(offered.kind === "offer" ? [offered.offer.version, offered.offer.folders] : offered, [
    "2",
    [folder],
  ]);
  assert.deepEqual(await check(`folder:${folder}`, "2"), { kind: "none" });
  const [bad = ""] = shelf.publish("2", "key").folders;
  const refused = await check(`folder:${bad}`);
  assert.deepEqual(refused.kind === "failed" ? [refused.code, refused.badDigest?.length] : refused, [18, 64]);
  const gone = await check(`folder:${shelf.url}nothing/`);
  assert.equal(gone.kind === "failed" ? gone.code : gone, 9);
  assert.deepEqual(
    await check(`folder:${shelf.url}nothing/`, "1", true),
    { kind: "none" },
    "nobody is pinged",
  );
});

test("a server is told who asks, and a ping asks for nothing", async () => {
  answer = { status: 200, body: "<response/>" };
  asked.length = 0;
  await check(address);
  await check(address, "1", true);
  const [full, ping] = asked.map((body) => parseRequest(body) ?? assert.fail("no request"));
  const [app] = full?.apps ?? [];
  assert.deepEqual([full?.installSource, full?.os.sp], ["ondemandupdate", "1_aarch64"]);
  assert.deepEqual(
    [
      app?.machineId,
      app?.track,
      app?.machineAlias,
      app?.board,
      app?.oem,
      app?.updateCheck,
      app?.ping,
      app?.events.length,
    ],
    ["0123", "beta", "first", "arm64-usr", "qemu", true, true, 1],
  );
  assert.deepEqual(
    [ping?.apps[0]?.updateCheck, ping?.apps[0]?.ping, ping?.apps[0]?.events],
    [false, true, []],
  );
});

const answers: readonly (readonly [number, string, number])[] = [
  [200, "", 30],
  [200, "no XML", 31],
  [200, "<response><app/></response>", 34],
  [503, "", 2503],
  [404, "gone", 2404],
];

for (const [status, body, code] of answers) {
  test(`an answer ${status} "${body}" is error ${code}`, async () => {
    answer = { status, body };
    const result = await check(address);
    assert.equal(result.kind === "failed" ? result.code : result.kind, code);
  });
}

test("a server that is not there is named with the setting that names it", async () => {
  const result = await check("http://127.0.0.1:1/v1/update/");
  assert.match(
    result.kind === "failed" ? result.sentence : "",
    /127\.0\.0\.1:1.*see SERVER in \/etc\/coreos\/update\.conf/,
  );
});

test("an answer beyond all bounds is none", async () => {
  answer = { status: 200, body: "x".repeat(1024 * 1024 + 1) };
  const result = await check(address);
  assert.match(result.kind === "failed" ? result.sentence : "", /longer than 1048576 bytes/);
});
