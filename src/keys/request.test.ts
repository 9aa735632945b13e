import assert from "node:assert/strict";
import { test } from "node:test";
import { isKeysError } from "./errors.ts";
import { joinForms, parseForm } from "./form.ts";
import { readRequest, type KeysMethod } from "./request.ts";

const nowMs = 1_700_000_000_000;

function request(method: KeysMethod, query: string, body = ""): unknown {
  const read = readRequest(method, "/k", joinForms(parseForm(body), parseForm(query)), nowMs);
  if (isKeysError(read)) return `${read.errorCode} ${read.cause}`;
  return read.operation;
}

/** The first wrong parameter in etcd's order is the error, for every method. */
const refusals: readonly (readonly [string, string])[] = [
  ["value=%zz", '210 invalid URL escape "%zz"'],
  ["value=%", '210 invalid URL escape "%"'],
  ["recursive=true;sorted=true", "210 invalid semicolon separator in query"],
  ["prevIndex=-1&waitIndex=x", '203 invalid value for "prevIndex"'],
  ["prevIndex=", '203 invalid value for "prevIndex"'],
  ["waitIndex=1.5&recursive=x", '203 invalid value for "waitIndex"'],
  ["waitIndex=18446744073709551616", '203 invalid value for "waitIndex"'],
  ["sorted=x&recursive=2", '209 invalid value for "recursive"'],
  ["wait=x&sorted=", '209 invalid value for "sorted"'],
  ["dir=x&wait=yes", '209 invalid value for "wait"'],
  ["dir=TrUe&quorum=x", '209 invalid value for "dir"'],
  ["quorum=x&stream=x", '209 invalid value for "quorum"'],
  ["stream=on", '209 invalid value for "stream"'],
  ["prevValue=&ttl=x", '201 "prevValue" cannot be empty'],
  ["noValueOnSuccess=x&ttl=x", '209 invalid value for "noValueOnSuccess"'],
  ["ttl=+5&prevExist=x", '202 invalid value for "ttl"'],
  ["ttl=1s", '202 invalid value for "ttl"'],
  ["prevExist=x&refresh=x", "209 invalid value for prevExist"],
  ["refresh=x&value=1", "209 invalid value for refresh"],
  ["refresh=true&value=1", "211 A value was provided on a refresh"],
  ["refresh=true", "212 No TTL value set"],
];

for (const [query, expected] of refusals) {
  test(`${query} is ${expected}`, () => {
    for (const method of ["GET", "PUT", "POST", "DELETE", "HEAD"] as const) {
      assert.equal(request(method, query), expected, method);
    }
  });
}

test("only GET waits", () => {
  assert.equal(request("HEAD", "wait=true"), '209 "wait" can only be used with GET requests');
  assert.equal(request("PUT", "wait=1&prevValue="), '209 "wait" can only be used with GET requests');
  assert.deepEqual(request("GET", "wait=1&recursive=t&stream=T&waitIndex=007"), {
    do: "watch",
    path: "/k",
    recursive: true,
    stream: true,
    waitIndex: 7,
  });
  assert.deepEqual(request("GET", "wait=true&quorum=true"), {
    do: "read",
    path: "/k",
    recursive: false,
    sorted: false,
    quorum: true,
  });
});

test("conditions decide what a PUT is", () => {
  const operationOf = (query: string): unknown => (request("PUT", query) as { do: string }).do;
  assert.equal(operationOf(""), "set");
  assert.equal(operationOf("prevIndex=0"), "set");
  assert.equal(operationOf("prevExist=true"), "update");
  assert.equal(operationOf("prevExist=true&prevIndex=3"), "compareAndSwap");
  assert.equal(operationOf("prevExist=false&prevValue=x&prevIndex=3"), "create");
  assert.equal(operationOf("prevValue=x"), "compareAndSwap");
  assert.deepEqual(request("DELETE", "prevExist=false&prevIndex=0&dir=1"), {
    do: "delete",
    path: "/k",
    directory: true,
    recursive: false,
  });
  assert.deepEqual(request("DELETE", "prevIndex=18446744073709551615"), {
    do: "compareAndDelete",
    path: "/k",
    condition: { value: "", index: 18446744073709551615n },
  });
});

test("the body wins over the query, and the first of a repeated name counts", () => {
  const operation = request("PUT", "value=query&ttl=3&ttl=x", "value=a%20b+c%3Dd=e&value=second");
  assert.deepEqual(operation, {
    do: "set",
    path: "/k",
    value: "a b c=d=e",
    deadlineMs: nowMs + 3000,
    directory: false,
    refresh: false,
  });
});
