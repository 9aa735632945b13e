import assert from "node:assert/strict";
import { test } from "node:test";
import { type BootstrapSettings, decide, decideByNames, decideByToken, type Token } from "./bootstrap.ts";
import { readToken } from "./token.ts";

const address = "10.0.0.11";
const nothing: BootstrapSettings = {
  given: {},
  storeEndpoints: [],
  own: { name: "m1", address },
  hostname: "m1",
  hasData: false,
};
const peer = (number: number): string => `http://10.0.0.1${number}:2380`;
const three = [1, 2, 3].map((number) => ({ name: `m${number}`, peerUrls: [peer(number)] }));

test("the first line of the manual's table that fits counts", () => {
  const rows: readonly (readonly [Partial<BootstrapSettings>, string])[] = [
    [{}, "embedded"],
    [{ hasData: true, given: { ETCD_DISCOVERY: "http://d/t" } }, "member"],
    [{ given: { ETCD_DISCOVERY: "http://d/t", ETCD_INITIAL_CLUSTER: "m1=http://a:2380" } }, "ask-token"],
    [{ given: { ETCD_DISCOVERY_SRV: "example.com" } }, "ask-names"],
    [{ given: { ETCD_PROXY: "on" }, storeEndpoints: ["http://a:2379"] }, "proxy"],
    [{ given: { ETCD_PROXY: "off", ETCD_INITIAL_CLUSTER: "m1=http://a:2380" } }, "member"],
    [{ given: { ETCD_INITIAL_CLUSTER: "m1=http://a:2380" }, storeEndpoints: ["http://a:2379"] }, "member"],
    [{ storeEndpoints: ["http://a:2379"] }, "proxy"],
    [{ given: { ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:2379" } }, "member"],
  ];
  for (const [settings, is] of rows)
    assert.equal(decide({ ...nothing, ...settings }).is, is, JSON.stringify(settings));
});

test("a proxy by settings asks the peers that a static list names", () => {
  const given = { ETCD_PROXY: "on", ETCD_INITIAL_CLUSTER: "m1=http://a:2380,m2=http://b:2380" };
  const decision = decide({ ...nothing, given });
  assert(decision.is === "proxy");
  assert.deepEqual(decision.peers, ["http://a:2380", "http://b:2380"]);
});

test("a member that was only told some of its settings gets the rest, and leaves the port of the keys alone", () => {
  const given = {
    ETCD_NAME: "m1",
    ETCD_ADVERTISE_CLIENT_URLS: `http://${address}:2379`,
    ETCD_LISTEN_CLIENT_URLS: "http://0.0.0.0:2379,http://0.0.0.0:4001",
  };
  const told = [given, { ...given, ETCD_INITIAL_CLUSTER: `m1=${peer(1)}` }];
  for (const settings of [...told.map((each) => ({ given: each })), { given, hasData: true }]) {
    const decision = decide({ ...nothing, ...settings });
    assert(decision.is === "member");
    assert.deepEqual(decision.variables, {
      ETCD_LISTEN_PEER_URLS: peer(1),
      ETCD_INITIAL_ADVERTISE_PEER_URLS: peer(1),
      ETCD_LISTEN_CLIENT_URLS: "http://0.0.0.0:2379",
    });
  }
});

test("one static list serves all machines: an address tells which member a machine is, or that it is none", () => {
  const given = { ETCD_INITIAL_CLUSTER: three.map(({ name, peerUrls }) => `${name}=${peerUrls[0]}`).join() };
  const unknown = { ...nothing, hostname: "localhost", given };
  const second = decide({ ...unknown, own: { name: "x-1", address: "10.0.0.12" } });
  assert(second.is === "member");
  assert.equal(second.variables["ETCD_NAME"], "m2");
  assert.equal(second.variables["ETCD_LISTEN_PEER_URLS"], peer(2));
  const fourth = decide({ ...unknown, own: { name: "x-4", address: "10.0.0.14" } });
  assert(fourth.is === "proxy");
  assert.deepEqual(fourth.peers, [peer(1), peer(2), peer(3)]);
  const named = decide({ ...nothing, given: { ...given, ETCD_NAME: "m9" } });
  assert(named.is === "member");
  assert.equal(named.variables["ETCD_NAME"], undefined);
});

const token = (count: number, size = 3): Token => ({
  url: "http://d/t",
  size,
  registered: three.slice(0, count),
});

test("a token with a place left has etcd register, and nothing is sure until the place is taken", () => {
  const decision = decideByToken({ ...nothing, own: { name: "m3", address: "10.0.0.13" } }, token(2));
  assert(decision.is === "member");
  assert.equal(decision.sure, false);
  assert.equal(decision.variables["ETCD_DISCOVERY_FALLBACK"], "exit");
  assert.equal(decision.variables["ETCD_INITIAL_ADVERTISE_PEER_URLS"], peer(3));
});

test("who comes after the last place is a proxy of the first ones, even if it has registered", () => {
  const late = { ...nothing, own: { name: "m4", address: "10.0.0.14" } };
  const registered = [...three, { name: "m4", peerUrls: [peer(4)] }];
  for (const list of [three, registered]) {
    const decision = decideByToken(late, { url: "http://d/t", size: 3, registered: list });
    assert(decision.is === "proxy");
    assert.deepEqual(decision.peers, [peer(1), peer(2), peer(3)]);
  }
});

test("a machine that had registered and lost its data before it began founds the cluster from the list", () => {
  const decision = decideByToken(nothing, token(3));
  assert(decision.is === "member");
  assert.equal(decision.sure, true);
  assert.equal(decision.variables["ETCD_INITIAL_CLUSTER"], `m1=${peer(1)},m2=${peer(2)},m3=${peer(3)}`);
  assert.equal(decision.variables["ETCD_INITIAL_CLUSTER_TOKEN"], "http://d/t");
  assert.equal(decision.variables["ETCD_DISCOVERY"], "", "etcd is not to register a second time");
});

test("a machine is a member when a record leads to its address, under the record's name", () => {
  const names = {
    domain: "example.com",
    peers: [{ url: "http://one.example.com:2380", addresses: [address] }],
    clients: ["http://one.example.com:2379"],
  };
  const own = decideByNames(nothing, names);
  assert(own.is === "member");
  assert.equal(own.variables["ETCD_INITIAL_ADVERTISE_PEER_URLS"], "http://one.example.com:2380");
  const other = decideByNames({ ...nothing, own: { name: "m2", address: "10.0.0.12" } }, names);
  assert(other.is === "proxy");
  assert.deepEqual(other.endpoints, names.clients);
});

test("what a discovery service answers is read in the order of registration", () => {
  const size = JSON.stringify({ node: { key: "/_etcd/registry/t/_config/size", value: "3" } });
  const node = (id: string, value: string, createdIndex: number): object => ({
    key: `/_etcd/registry/t/${id}`,
    value,
    createdIndex,
  });
  const nodes = [node("b", "m2=http://b:2380,m2=http://c:2380", 9), node("a", "m1=http://a:2380", 4)];
  assert.deepEqual(readToken("http://d/t", size, JSON.stringify({ node: { key: "/t", nodes } })), {
    url: "http://d/t",
    size: 3,
    registered: [
      { name: "m1", peerUrls: ["http://a:2380"] },
      { name: "m2", peerUrls: ["http://b:2380", "http://c:2380"] },
    ],
  });
});

test("an answer that is none is refused in a sentence with the next step", () => {
  const good = JSON.stringify({ node: { key: "/t", value: "3" } });
  const missing = JSON.stringify({ errorCode: 100, message: "Key not found", cause: "/t" });
  for (const [size, listing] of [
    ["<html>", good],
    [missing, good],
    [JSON.stringify({ node: { key: "/t", value: "many" } }), good],
    [good, "null"],
  ] as const) {
    assert.throws(() => readToken("http://d/t", size, listing), {
      code: "bad-token",
      message: /^cannot use the discovery token http:\/\/d\/t, .*: get one with argosy discovery new/,
    });
  }
});
