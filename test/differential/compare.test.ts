import assert from "node:assert/strict";
import { test } from "node:test";
import { differencesOf } from "./compare.ts";
import { type Observation, simple } from "./side.ts";
import { Answer } from "./wire.ts";

/** An answer to a request for `target`. */
function observed(
  body: string,
  { status = 200, headers = {}, target = "/v2/keys/a" }: Partial<Given> = {},
): Observation {
  const answer = new Answer("GET");
  answer.head = { status, headers: new Map(Object.entries(headers)) };
  answer.body = body;
  answer.complete = true;
  return { request: simple("GET", target), answer, expiry: undefined };
}

interface Given {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly target: string;
}

const list = (...keys: readonly string[]): string =>
  JSON.stringify({ action: "get", node: { dir: true, nodes: keys.map((key) => ({ key })) } });

const lasting = (instant: string, ttl: number): string =>
  JSON.stringify({ action: "get", node: { key: "/a", expiration: instant, ttl } });

test("statuses, headers and bodies that differ are told", () => {
  const told = (theirs: Observation, ours: Observation): readonly string[] => differencesOf(theirs, ours, 0);
  assert.deepEqual(told(observed("{}"), observed("{}")), []);
  assert.deepEqual(told(observed(""), observed("", { status: 404 })), ["status: etcd 200, Argosy 404"]);
  assert.deepEqual(told(observed("a"), observed("b")), ['body: etcd "a", Argosy "b"']);
  assert.deepEqual(told(observed("a\n"), observed("a\nb\n")), [
    'body: etcd "", Argosy "b"',
    'body: etcd nothing, Argosy ""',
  ]);
  const index = (value: string): Observation => observed("", { headers: { "x-etcd-index": value } });
  assert.deepEqual(told(index("7"), index("8")), ['header x-etcd-index: etcd "7", Argosy "8"']);
  const raft = (value: string): Observation => observed("", { headers: { "x-raft-index": value } });
  assert.deepEqual(told(raft("7"), raft("8")), []);
  assert.deepEqual(told(raft("7"), observed("")), ["header x-raft-index is there: etcd true, Argosy false"]);
});

test("the order of a list counts only when it was asked for", () => {
  const [one, other] = [list("/a", "/b"), list("/b", "/a")];
  assert.deepEqual(differencesOf(observed(one), observed(other), 0), []);
  const target = "/v2/keys/?sorted=true";
  assert.equal(differencesOf(observed(one, { target }), observed(other, { target }), 0).length, 1);
});

test("lifetimes may differ by the time that a sequence took, and by no more", () => {
  const [one, other] = [lasting("2026-01-01T00:00:10Z", 10), lasting("2026-01-01T00:00:15.5Z", 15)];
  assert.deepEqual(differencesOf(observed(one), observed(other), 5_000), []);
  const told = differencesOf(observed(one), observed(other), 100);
  assert.equal(told.length, 2, told.join("\n"));
  const none = JSON.stringify({ action: "get", node: { key: "/a" } });
  assert.equal(differencesOf(observed(one), observed(none), 5_000).length, 1);
});
