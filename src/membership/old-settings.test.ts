import assert from "node:assert/strict";
import { test } from "node:test";
import { decide } from "./bootstrap.ts";
import { addressVariables } from "./environment.ts";
import { clientTlsFiles, keysListeners, keysUrls, modernSettings } from "./old-settings.ts";

const own = "10.0.0.7";

test("the addresses of etcd 0.4 become URLs, and the keys stay at their port", () => {
  const given = {
    ETCD_ADDR: "10.0.0.7:4001",
    ETCD_PEER_ADDR: "10.0.0.7:7001",
    ETCD_NAME: "one",
    ETCD_DISCOVERY: "http://d/t",
  };
  const { variables, problems } = modernSettings(given, own);
  assert.deepEqual(variables, {
    ETCD_NAME: "one",
    ETCD_DISCOVERY: "http://d/t",
    ETCD_ADVERTISE_CLIENT_URLS: "http://10.0.0.7:2379",
    ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:2379,http://10.0.0.7:2379",
    ETCD_INITIAL_ADVERTISE_PEER_URLS: "http://10.0.0.7:7001",
    ETCD_LISTEN_PEER_URLS: "http://10.0.0.7:7001",
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(keysUrls(keysListeners(given, own)), ["http://10.0.0.7:4001"]);
});

test("an address without a host is the machine's own, and a name is listened for everywhere", () => {
  const { variables } = modernSettings({ ETCD_ADDR: ":4001", ETCD_PEER_ADDR: "m1.example:7001" }, own);
  assert.equal(variables["ETCD_ADVERTISE_CLIENT_URLS"], "http://10.0.0.7:2379");
  assert.equal(variables["ETCD_INITIAL_ADVERTISE_PEER_URLS"], "http://m1.example:7001");
  assert.equal(variables["ETCD_LISTEN_PEER_URLS"], "http://0.0.0.0:7001");
});

test("bind addresses say where is listened", () => {
  const given = {
    ETCD_ADDR: "203.0.113.7:4001",
    ETCD_BIND_ADDR: "0.0.0.0",
    ETCD_PEER_ADDR: "203.0.113.7:7001",
    ETCD_PEER_BIND_ADDR: "10.0.0.7:7002",
  };
  assert.equal(modernSettings(given, own).variables["ETCD_LISTEN_PEER_URLS"], "http://10.0.0.7:7002");
  assert.deepEqual(keysListeners(given, own), [{ host: own, port: 4001, secure: false }]);
});

test("peers with this machine among them are the members, others are those that it uses", () => {
  const given = { ETCD_ADDR: "10.0.0.7:4001", ETCD_PEERS: "10.0.0.7:7001,10.0.0.8:7001" };
  const { variables } = modernSettings(given, own);
  const decision = decide({
    given: variables,
    storeEndpoints: [],
    own: { name: "m", address: own },
    hostname: "m",
    hasData: false,
  });
  assert.equal(decision.is, "member");
  const other = modernSettings({ ...given, ETCD_PEERS: "10.0.0.8,10.0.0.9:7001" }, own).variables;
  const using = decide({
    given: other,
    storeEndpoints: [],
    own: { name: "m", address: own },
    hostname: "m",
    hasData: false,
  });
  assert.deepEqual(using.is === "proxy" && using.peers, ["http://10.0.0.8:7001", "http://10.0.0.9:7001"]);
});

test("naming an authority asks for certificates, and addresses are https", () => {
  const given = {
    ETCD_ADDR: "10.0.0.7:4001",
    ETCD_CA_FILE: "/ca",
    ETCD_CERT_FILE: "/cert",
    ETCD_KEY_FILE: "/key",
    ETCD_PEER_CERT_FILE: "/pc",
  };
  const { variables } = modernSettings(given, own);
  assert.equal(variables["ETCD_TRUSTED_CA_FILE"], "/ca");
  assert.equal(variables["ETCD_CLIENT_CERT_AUTH"], "true");
  assert.equal(variables["ETCD_ADVERTISE_CLIENT_URLS"], "https://10.0.0.7:2379");
  assert.equal(variables["ETCD_LISTEN_PEER_URLS"], "https://10.0.0.7:7001");
  assert.deepEqual(keysUrls(keysListeners(given, own)), ["https://10.0.0.7:4001"]);
  assert.deepEqual(clientTlsFiles(variables), { ca: "/ca", cert: "/cert", key: "/key" });
  assert.deepEqual(clientTlsFiles({ ETCD_PEER_TRUSTED_CA_FILE: "/pca" }), { ca: "/pca", cert: "", key: "" });
  assert.equal(clientTlsFiles({ ETCD_NAME: "a" }), undefined);
});

test("etcd 2's settings stay as they are, but for the port of the keys and what is gone", () => {
  const given = {
    ETCD_LISTEN_CLIENT_URLS: "http://0.0.0.0:2379,http://0.0.0.0:4001",
    ETCD_PROXY: "off",
    ETCD_DEBUG: "true",
    ETCD_PROXY_DIAL_TIMEOUT: "5",
    ETCD_HEARTBEAT_INTERVAL: "250",
  };
  const { variables, problems } = modernSettings(given, own);
  assert.deepEqual(variables, {
    ETCD_LISTEN_CLIENT_URLS: "http://0.0.0.0:2379,http://0.0.0.0:4001",
    ETCD_HEARTBEAT_INTERVAL: "250",
    ETCD_ELECTION_TIMEOUT: "2500",
    ETCD_LOG_LEVEL: "debug",
  });
  assert.deepEqual(problems, ["ETCD_PROXY_DIAL_TIMEOUT has no effect: today's etcd has no such setting"]);
  assert.deepEqual(keysListeners(given, own), [{ host: own, port: 4001, secure: false }]);
  assert.equal(
    addressVariables(variables, { name: "m", address: own })["ETCD_LISTEN_CLIENT_URLS"],
    "http://0.0.0.0:2379",
  );
});

test("settings of today change nothing", () => {
  const given = {
    ETCD_NAME: "a",
    ETCD_INITIAL_CLUSTER: "a=http://10.0.0.7:2380",
    ETCD_QUOTA_BACKEND_BYTES: "8",
  };
  assert.deepEqual(modernSettings(given, own), { variables: given, problems: [] });
  assert.deepEqual(keysListeners(given, own), []);
});
