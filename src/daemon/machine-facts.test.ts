import assert from "node:assert/strict";
import { test } from "node:test";
import { apiAddress } from "./machine-facts.ts";

test("the API's address for others is one that others can reach", () => {
  assert.equal(
    apiAddress(["fd:3", "http://127.0.0.1:49153", "http://10.0.0.7:49153"], ""),
    "http://10.0.0.7:49153",
  );
  assert.equal(apiAddress(["http://0.0.0.0:49153"], "10.0.0.7"), "http://10.0.0.7:49153");
  assert.equal(apiAddress(["http://[::]:49153"], "10.0.0.7"), "http://10.0.0.7:49153");
  assert.equal(apiAddress(["http://[::]:49153"], "fd00::7"), "http://[fd00::7]:49153");
  assert.equal(apiAddress(["http://0.0.0.0:49153"], ""), undefined);
  assert.equal(apiAddress(["unix:///run/fleet.sock", "http://[::1]:49153"], "10.0.0.7"), undefined);
});
