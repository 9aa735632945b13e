import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { changedDeadline, deadlineAfter, instantOf, instantText, secondsLeft } from "./deadline.ts";
import { errorText, eventText } from "./encode.ts";
import { keysError } from "./errors.ts";
import { parseForm, unescapeText } from "./form.ts";
import { ancestorsOf, cleanPath, isHidden, isHiddenBelow, parentOf } from "./paths.ts";
import { routeOf } from "./route.ts";

test("instants are printed as Go prints them", () => {
  assert.equal(instantText(0), "1970-01-01T00:00:00Z");
  assert.equal(instantText(951_826_554_120), "2000-02-29T12:15:54.12Z");
  fc.assert(
    fc.property(fc.integer({ min: 946_684_800_000, max: 9_223_372_036_854 }), (ms) => {
      assert.equal(instantText(ms), new Date(ms).toISOString().replace(/\.?0*Z$/, "Z"));
    }),
  );
});

test("instants are read as they are printed", () => {
  fc.assert(
    fc.property(fc.integer({ min: -9_223_372_036_854, max: 9_223_372_036_854 }), (ms) => {
      assert.equal(instantOf(instantText(ms)), ms);
    }),
  );
  assert.throws(() => instantOf("tomorrow"), /is not an instant/);
});

test("lifetimes wrap as 64-bit nanoseconds do", () => {
  const nowMs = 1_790_000_000_000;
  assert.equal(deadlineAfter(nowMs, 0n), nowMs);
  assert.equal(deadlineAfter(nowMs, 7_000_000_000n), nowMs + 7_000_000_000_000);
  assert.equal(deadlineAfter(nowMs, 9_223_372_037n), undefined);
  assert.equal(changedDeadline(nowMs, 9_223_372_036n), -7_433_372_037_709);
  assert.equal(deadlineAfter(nowMs, 2n ** 64n - 1n), nowMs - 1000);
});

test("seconds left are rounded up", () => {
  assert.equal(secondsLeft(10_000, 9_999), 1);
  assert.equal(secondsLeft(10_000, 9_000), 1);
  assert.ok(Object.is(secondsLeft(10_000, 10_500), 0), "0 and not -0");
  assert.equal(secondsLeft(10_000, 11_000), -1);
});

test("JSON is written as Go writes it, and means the same", () => {
  const event = { action: "get", node: { key: '/<a>&"\\b', value: "\b\f\n\u2028\\b" } } as const;
  const text = eventText(event);
  assert.equal(
    text,
    '{"action":"get","node":{"key":"/\\u003ca\\u003e\\u0026\\"\\\\b","value":"\\u0008\\u000c\\n\\u2028\\\\b"}}\n',
  );
  assert.deepEqual(JSON.parse(text), event);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => {
      const any = { action: "get", node: { value } } as const;
      assert.deepEqual(JSON.parse(eventText(any)), any);
    }),
  );
});

test("an error leaves out an empty cause", () => {
  assert.equal(errorText(keysError(102, "", 7)), '{"errorCode":102,"message":"Not a file","index":7}\n');
  assert.equal(
    errorText(keysError(100, "/x")),
    '{"errorCode":100,"message":"Key not found","cause":"/x","index":0}\n',
  );
});

test("text survives escaping, and bytes that are no text stay apart", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      const form = parseForm(`value=${encodeURIComponent(value)}`);
      assert.equal(form.values.get("value"), value);
    }),
  );
  assert.equal(unescapeText("a%ff%feb"), "a\udcff\udcfeb");
  assert.equal(unescapeText("%EF%BB%BFx"), "\ufeffx");
  // Bytes above 127 that were not escaped come as ISO 8859-1.
  assert.equal(unescapeText("\u00c3\u00a9"), "é");
});

test("paths: what is above, and what is hidden", () => {
  assert.deepEqual(ancestorsOf("/a/b/c"), ["/a", "/a/b"]);
  assert.deepEqual(ancestorsOf("/a"), []);
  assert.equal(parentOf("/a"), "/");
  assert.equal(parentOf("/a/b"), "/a");
  assert.equal(isHidden("/a/_b"), true);
  assert.equal(isHidden("/_a/b"), false);
  assert.equal(isHiddenBelow("/", "/a/_b/c"), true);
  assert.equal(isHiddenBelow("/_a", "/_a/b"), false);
  assert.equal(isHiddenBelow("/_a", "/_a/_b"), true);
});

test("a clean path is its own clean path", () => {
  assert.equal(cleanPath("/a//b/./c/../d/"), "/a/b/d/");
  assert.equal(cleanPath("/../.."), "/");
  assert.equal(cleanPath("/a/."), "/a");
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("/", ".", "a") }), (path) => {
      const cleaned = cleanPath(path);
      assert.equal(cleanPath(cleaned), cleaned);
      assert.ok(!/\/\/|\/\.\.?(\/|$)/.test(cleaned) || /\/\.{3,}/.test(cleaned), cleaned);
    }),
  );
});

test("requests find their way", () => {
  const keys = (path: string, query = "", asked = path): object => ({
    to: "keys",
    method: "GET",
    path,
    asked,
    query,
  });
  assert.deepEqual(routeOf("GET", "/v2/keys"), keys("/", "", ""));
  assert.deepEqual(routeOf("GET", "/v2/keys/"), keys("/"));
  assert.deepEqual(routeOf("GET", "/v2/keys/a%2Fb+c/?x=%2F?y"), keys("/a/b+c", "x=%2F?y", "/a/b+c/"));
  assert.deepEqual(routeOf("GET", "http://h:1/v2/keys/a"), keys("/a"));
  assert.deepEqual(routeOf("PATCH", "/v2/keys/a"), {
    to: "wrong-method",
    allowed: ["HEAD", "GET", "PUT", "POST", "DELETE"],
  });
  assert.deepEqual(routeOf("PUT", "/v2/keys/a%2F%2F%20b%25?q=1"), {
    to: "elsewhere",
    location: "/v2/keys/a/%20b%25?q=1",
  });
  assert.deepEqual(routeOf("GET", "/v2/keys//%ff%C3%A9*(a)"), {
    to: "elsewhere",
    location: "/v2/keys/%FF%C3%A9%2A%28a%29",
  });
  assert.deepEqual(routeOf("GET", "/v2/keys/%zz"), { to: "bad-escape" });
  assert.deepEqual(routeOf("OPTIONS", "/nope"), { to: "options" });
  assert.deepEqual(routeOf("GET", "/v2/keysfoo"), { to: "nowhere" });
  assert.deepEqual(routeOf("HEAD", "/v2/machines"), { to: "machines", below: "" });
  assert.deepEqual(routeOf("DELETE", "/v2/members/ab%20c/d"), { to: "members", below: "ab c/d" });
  assert.deepEqual(routeOf("GET", "/v2/auth/users/"), { to: "auth", below: "users/" });
  assert.deepEqual(routeOf("GET", "/v2/auth"), { to: "nowhere" });
  assert.deepEqual(routeOf("HEAD", "/v2/auth/users/a/b"), { to: "auth", below: "users/a/b" });
  assert.deepEqual(routeOf("PATCH", "/metrics"), { to: "metrics", below: "" });
  assert.deepEqual(routeOf("HEAD", "/version"), { to: "wrong-method", allowed: ["GET"] });
});
