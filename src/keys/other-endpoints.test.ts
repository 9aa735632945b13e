import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Cluster, MemberChanges } from "./cluster.ts";
import { openLocalKeyspace } from "./local-keyspace.ts";
import type { KeysLogLevel } from "./log-level.ts";
import { KeysApi } from "./server.ts";
import { durationText } from "./statistics.ts";

const env = new FakeEnv();
const end = new AbortController();
const keyspace = openLocalKeyspace(env, openMemoryStore(env), end.signal);
const levels: KeysLogLevel[] = [];

const three: Cluster = {
  members: [
    { id: "a1", name: "m1", peerUrls: ["http://10.0.0.1:2380"] },
    { id: "b2", name: "m2", peerUrls: ["http://10.0.0.2:2380"] },
    { id: "c3", name: "", peerUrls: ["http://10.0.0.3:2380"] },
  ],
  leader: "a1",
  own: "a1",
};

/** Who keeps the store, for the test that runs. */
let cluster: () => Promise<Cluster> = () => Promise.resolve(three);

/** What the members were asked to become. */
const changes: string[] = [];
/** Why they do not. */
let refusal: Fault | undefined;

async function change(what: string): Promise<void> {
  if (refusal !== undefined) throw refusal;
  changes.push(what);
}

const members: MemberChanges = {
  add: async (peerUrls) => {
    await change(`add ${peerUrls.join()}`);
    return { id: "d4", name: "", peerUrls };
  },
  update: (id, peerUrls) => change(`update ${id} ${peerUrls.join()}`),
  remove: (id) => change(`remove ${id}`),
};

const surroundings = {
  clientUrls: ["http://127.0.0.1:4001"],
  cluster: () => cluster(),
  members,
  processFacts: () => ({ commandLine: ["argosy", "etcd"], residentBytes: 4096, heapBytes: 1024 }),
  setLogLevel: (level: KeysLogLevel) => void levels.push(level),
};
const server = new KeysApi(env, keyspace, surroundings, end.signal).createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
after(async () => {
  end.abort(new Error("the test is over"));
  server.close();
  server.closeAllConnections();
  await keyspace.ended;
});

async function ask(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  const { port } = server.address() as AddressInfo;
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  const init = { method, headers, ...(body !== undefined && { body }) };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: answer.status, text: await answer.text() };
}

test("members are told with the addresses at which the v2 API is served", async () => {
  cluster = () => Promise.resolve(three);
  const m1 =
    '{"id":"a1","name":"m1","peerURLs":["http://10.0.0.1:2380"],"clientURLs":["http://127.0.0.1:4001"]}';
  const told = (JSON.parse((await ask("GET", "/v2/members")).text) as { members: object[] }).members;
  assert.deepEqual(told[0], JSON.parse(m1));
  assert.deepEqual(told[2], {
    id: "c3",
    name: "",
    peerURLs: ["http://10.0.0.3:2380"],
    clientURLs: [],
  });
  assert.deepEqual(await ask("GET", "/v2/members/leader"), { status: 200, text: `${m1}\n` });
});

test("without a leader, and without a store, members say so", async () => {
  cluster = () => Promise.resolve({ ...three, leader: undefined });
  assert.deepEqual(await ask("GET", "/v2/members/leader"), {
    status: 503,
    text: '{"message":"During election"}',
  });
  assert.equal(JSON.parse((await ask("GET", "/v2/stats/self")).text).state, "StateCandidate");
  cluster = () => Promise.reject(new Fault("store-unavailable", "Cannot ask etcd."));
  for (const path of ["/v2/members", "/v2/stats/self", "/v2/stats/leader"]) {
    assert.deepEqual(await ask("GET", path), { status: 503, text: '{"message":"argosy: Cannot ask etcd."}' });
  }
});

async function index(): Promise<number> {
  const open = new AbortController().signal;
  const read = await keyspace.read(
    { do: "read", path: "/", recursive: false, sorted: false, quorum: true },
    open,
  );
  return "index" in read ? read.index : -1;
}

test("members are changed, and the index goes on", async () => {
  cluster = () => Promise.resolve(three);
  const before = await index();
  const two = '{"peerURLs":["http://10.0.0.5:2380"," http://10.0.0.4:2380"]}';
  assert.deepEqual(await ask("POST", "/v2/members", two), {
    status: 201,
    text: '{"id":"d4","name":"","peerURLs":["http://10.0.0.4:2380","http://10.0.0.5:2380"],"clientURLs":[]}\n',
  });
  assert.equal(await index(), before + 1);
  const one = '{"peerURLs":["http://10.0.0.6:2380"]}';
  assert.deepEqual(await ask("PUT", "/v2/members/00B2", one), { status: 204, text: "" });
  assert.equal(await index(), before + 2);
  assert.deepEqual(await ask("DELETE", "/v2/members/b2"), { status: 204, text: "" });
  assert.equal(await index(), before + 4);
  assert.deepEqual(changes, [
    "add http://10.0.0.4:2380,http://10.0.0.5:2380",
    "update b2 http://10.0.0.6:2380",
    "remove b2",
  ]);
  cluster = () => Promise.resolve({ ...three, members: three.members.filter(({ id }) => id !== "b2") });
  assert.deepEqual(await ask("DELETE", "/v2/members/b2"), {
    status: 410,
    text: '{"message":"Member permanently removed: b2"}',
  });
  assert.equal((await ask("PUT", "/v2/members/b2", one)).text, '{"message":"No such member: b2"}');
});

test("changes of members that fail say why, in etcd's words", async () => {
  cluster = () => Promise.resolve(three);
  const before = await index();
  const inOrder = '{"peerURLs":["http://10.0.0.4:2380"]}';
  const rows: [code: string, post: string, put: string][] = [
    ["member-exists", "409 membership: peerURL exists", "409 membership: peerURL exists"],
    ["no-such-member", "500 Internal Server Error", "404 No such member: b2"],
    ["members-unwell", "500 Internal Server Error", "500 Internal Server Error"],
  ];
  for (const [code, post, put] of rows) {
    refusal = new Fault(code, "It does not work.");
    const [posted, sent] = [
      await ask("POST", "/v2/members", inOrder),
      await ask("PUT", "/v2/members/b2", inOrder),
    ].map(({ status, text }) => `${status} ${(JSON.parse(text) as { message: string }).message}`);
    assert.deepEqual([posted, sent], [post, put]);
  }
  refusal = undefined;
  assert.equal(await index(), before);
});

test("wrong requests for members are refused", async () => {
  cluster = () => Promise.resolve(three);
  assert.equal((await ask("DELETE", "/v2/members/b3")).text, '{"message":"No such member: b3"}');
  const tooLong = "1".repeat(17);
  assert.equal(
    (await ask("DELETE", `/v2/members/${tooLong}`)).text,
    `{"message":"No such member: ${tooLong}"}`,
  );
  assert.equal(
    (await ask("POST", "/v2/members", '{"peerURLs":["unix://x","http://[::1]:1/"]}')).text,
    '{"message":"URL must not contain a path: http://[::1]:1/"}',
  );
  const refusalOf = async (body: string): Promise<unknown> => {
    const { status, text } = await ask("POST", "/v2/members", body);
    assert.equal(status, 400, text);
    return (JSON.parse(text) as { message: unknown }).message;
  };
  const ofUrl = (url: string): Promise<unknown> => refusalOf(JSON.stringify({ peerURLs: [url] }));
  assert.equal(await refusalOf("null"), "no valid URLs given");
  assert.equal(
    await refusalOf('{"peerURLs":[1]}'),
    "json: cannot unmarshal number into Go struct field .peerURLs of type string",
  );
  assert.match(String(await refusalOf("[]")), /^json: cannot unmarshal array into Go value of type struct/);
  assert.match(String(await refusalOf('{"peerURLs":[]} {}')), /^argosy: the body is no JSON object/);
  assert.equal(await ofUrl("http://a:b"), 'parse "http://a:b": invalid port ":b" after host');
  assert.equal(
    await ofUrl("127.0.0.1:99"),
    'parse "127.0.0.1:99": first path segment in URL cannot contain colon',
  );
  assert.equal(await ofUrl("%zz"), 'parse "%zz": invalid URL escape "%zz"');
});

test("the leader tells of its followers, and others that they are not it", async () => {
  cluster = () => Promise.resolve(three);
  const { leader, followers } = JSON.parse((await ask("GET", "/v2/stats/leader")).text);
  assert.deepEqual([leader, Object.keys(followers)], ["a1", ["b2", "c3"]]);
  cluster = () => Promise.resolve({ ...three, own: "b2" });
  const refused = { status: 403, text: '{"message":"not current leader"}' };
  assert.deepEqual(await ask("GET", "/v2/stats/leader"), refused);
  const before = JSON.parse((await ask("GET", "/v2/stats/self")).text);
  assert.deepEqual([before.name, before.id, before.state], ["m2", "b2", "StateFollower"]);
  await env.advance(63_500);
  const later = JSON.parse((await ask("GET", "/v2/stats/self")).text);
  assert.deepEqual(
    [later.leaderInfo.leader, later.leaderInfo.uptime, later.leaderInfo.startTime],
    ["a1", "1m3.5s", before.leaderInfo.startTime],
  );
});

test("lengths of time are printed as Go prints them", () => {
  const printed = [-1, 0, 12, 1_000, 61_250, 3_600_000].map(durationText);
  assert.deepEqual(printed, ["0s", "0s", "12ms", "1s", "1m1.25s", "1h0m0s"]);
});

test("refusals that etcd counts as successes count so here", async () => {
  const counts = async (): Promise<Record<string, number>> =>
    JSON.parse((await ask("GET", "/v2/stats/store")).text) as Record<string, number>;
  await keysWrite("PUT", "/v2/keys/count/file?value=1");
  const before = await counts();
  await keysWrite("DELETE", "/v2/keys/");
  await keysWrite("DELETE", "/v2/keys/count/file?prevValue=no");
  await keysWrite("PUT", "/v2/keys/count/file/below?prevExist=false");
  const changed = Object.entries(await counts()).filter(([name, value]) => value !== before[name]);
  assert.deepEqual(changed, [
    ["setsFail", 1],
    ["deleteSuccess", 1],
    ["createFail", 1],
    ["compareAndDeleteSuccess", 1],
  ]);
});

async function keysWrite(method: string, path: string): Promise<void> {
  await ask(method, path);
}

test("numbers for monitors come as Prometheus and as expvar text", async () => {
  const metrics = (await ask("GET", "/metrics")).text;
  assert.match(metrics, /^# HELP \w+ .+\n# TYPE \w+ counter\n/);
  assert.match(metrics, /^etcd_debugging_store_writes_total\{action="set"\} 1$/m);
  assert.match(metrics, new RegExp(`^argosy_keys_index ${await index()}$`, "m"));
  assert.match(metrics, /^process_resident_memory_bytes 4096$/m);
  const variables = (await ask("GET", "/debug/vars")).text;
  assert.match(variables, /^\{\n"cmdline": \["argosy","etcd"\],\n/);
  assert.equal(JSON.parse(variables).memstats.HeapAlloc, 1024);
});

test("the log's level is set by etcd's names", async () => {
  for (const name of ["DEBUG", "w", "Critical"]) {
    assert.equal((await ask("PUT", "/config/local/log", `{"Level":"${name}"}`)).status, 204);
  }
  assert.deepEqual(levels, ["debug", "warning", "error"]);
  assert.equal(
    (await ask("PUT", "/config/local/log", '{"Level":"loud"}')).text,
    '{"message":"Invalid log level loud"}',
  );
});
