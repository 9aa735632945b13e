import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressVariables,
  environmentText,
  joiningVariables,
  localEndpoint,
  memberName,
  spokenName,
} from "./environment.ts";

const own = { name: "m1", address: "10.0.0.11" };

test("an address alone is enough for an etcd", () => {
  assert.deepEqual(addressVariables({}, own), {
    ETCD_NAME: "m1",
    ETCD_LISTEN_PEER_URLS: "http://10.0.0.11:2380",
    ETCD_INITIAL_ADVERTISE_PEER_URLS: "http://10.0.0.11:2380",
    ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:2379,http://10.0.0.11:2379",
    ETCD_ADVERTISE_CLIENT_URLS: "http://10.0.0.11:2379",
  });
});

test("what the administrator set stays, and without an address nothing is made up", () => {
  const given = { ETCD_NAME: "one", ETCD_LISTEN_PEER_URLS: "http://0.0.0.0:2380" };
  const made = addressVariables(given, own);
  assert.equal(made["ETCD_NAME"], undefined);
  assert.equal(made["ETCD_LISTEN_PEER_URLS"], undefined);
  assert.deepEqual(addressVariables({}, { name: "m1", address: "" }), { ETCD_NAME: "m1" });
});

test("the port of the keys is not etcd's", () => {
  const given = {
    ETCD_LISTEN_CLIENT_URLS: "http://0.0.0.0:2379,http://0.0.0.0:4001",
    ETCD_ADVERTISE_CLIENT_URLS: "http://10.0.0.11:4001",
  };
  const made = addressVariables(given, own);
  assert.equal(made["ETCD_LISTEN_CLIENT_URLS"], "http://0.0.0.0:2379");
  assert.equal(made["ETCD_ADVERTISE_CLIENT_URLS"], "http://10.0.0.11:2379");
});

test("no two etcds get one name, whatever their machines are called", () => {
  const ids = ["1".repeat(32), "2".repeat(32)];
  for (const hostname of ["", "localhost", "harbour"])
    assert.equal(new Set(ids.map((id) => memberName(hostname, id))).size, 2, hostname);
  assert.equal(memberName("harbour", ids[0] ?? ""), "harbour-11111111");
  assert.equal(spokenName("harbour", ids[0] ?? ""), "harbour");
  assert.equal(spokenName("localhost", ids[0] ?? ""), "11111111");
});

test("an etcd that joins is told all members, those without a name included", () => {
  const members = [
    { id: "a1", name: "m1", peerUrls: ["http://a:2380"] },
    { id: "b2", name: "", peerUrls: ["http://b:2380"] },
    { id: "c3", name: "", peerUrls: ["http://c:2380"] },
  ];
  const made = joiningVariables(members, { name: "m2", peerUrl: "http://b:2380" });
  assert.equal(made["ETCD_INITIAL_CLUSTER"], "m1=http://a:2380,m2=http://b:2380,member-c3=http://c:2380");
  assert.equal(made["ETCD_INITIAL_CLUSTER_STATE"], "existing");
  assert.equal(made["ETCD_DISCOVERY"], "", "a token of long ago is not asked");
});

test("daemons reach their own member where it listens", () => {
  const at = (urls: string): string => localEndpoint({ ETCD_LISTEN_CLIENT_URLS: urls });
  assert.equal(at("http://10.0.0.11:2379,http://127.0.0.1:2379"), "http://127.0.0.1:2379");
  assert.equal(at("http://0.0.0.0:2379"), "http://127.0.0.1:2379");
  assert.equal(at("http://10.0.0.11:2379"), "http://10.0.0.11:2379");
  assert.equal(localEndpoint({}), "http://127.0.0.1:2379");
});

test("a value with quotes is one for systemd", () => {
  assert.match(environmentText({ ETCD_NAME: 'a"b\\c' }), /^ETCD_NAME="a\\"b\\\\c"$/m);
});
