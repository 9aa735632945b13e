import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pageLimitFor, pageOf, pageToken } from "./api-paging.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

test("tokens have the bytes of fleet v1.0.0", () => {
  assert.equal(pageToken(100, 2), "ZAACAA==");
  assert.equal(pageToken(100, 3), "ZAADAA==");
});

test("each bad token has its message", () => {
  const problems: readonly [readonly string[], string][] = [
    [["ZAACAA==", "ZAADAA=="], "too many values for page token"],
    [["EwBMLg=="], "token limit must be 100"],
    [["ZAAAAA=="], "token page must be greater than zero"],
    [[""], "EOF"],
    [["ZAAC"], "unexpected EOF"],
    [["Z!AC"], "illegal base64 data at input byte 1"],
    [["ZAACAA="], "illegal base64 data at input byte 7"],
    [["ZAAC+A=="], "illegal base64 data at input byte 4"],
    [["ZAACAA"], "illegal base64 data at input byte 4"],
    [["ZAACA"], "illegal base64 data at input byte 4"],
    [["Z"], "illegal base64 data at input byte 0"],
    [["===="], "illegal base64 data at input byte 0"],
    [["Z==="], "illegal base64 data at input byte 1"],
    [["ZA=C"], "illegal base64 data at input byte 2"],
    [["ZAACAA==AA"], "illegal base64 data at input byte 8"],
    [["ZAA=ZAAC"], "illegal base64 data at input byte 4"],
    [["ZAAC\u00e9"], "illegal base64 data at input byte 4"],
    [["ZA=="], "unexpected EOF"],
    [["ZQACAA=="], "token limit must be 100"],
  ];
  for (const [tokens, problem] of problems) {
    assert.deepEqual(pageOf([], tokens, 100), { problem }, tokens.join(" "));
  }
});

test("an exact multiple of the limit has no empty page behind it, and a page past the end is empty", () => {
  assert.deepEqual(pageOf(numbers(2), [], 2), { items: [0, 1] });
  assert.deepEqual(pageOf(numbers(3), [], 2), { items: [0, 1], nextPageToken: pageToken(2, 2) });
  assert.deepEqual(pageOf(numbers(3), [pageToken(2, 9)], 2), { items: [] });
});

test("following the tokens gives every entry once, in order", () => {
  fc.assert(
    fc.property(fc.nat(500), fc.integer({ min: 1, max: 65_535 }), (count, limit) => {
      const all = numbers(count);
      const seen: number[] = [];
      let tokens: readonly string[] = [];
      for (;;) {
        const page = pageOf(all, tokens, limit);
        assert.ok(!("problem" in page));
        seen.push(...page.items);
        if (page.nextPageToken === undefined) break;
        tokens = [page.nextPageToken];
      }
      assert.deepEqual(seen, all);
    }),
  );
});

test("lists are longer than 65,535 entries, and end where tokens do", () => {
  assert.deepEqual(pageOf(numbers(70_000), [pageToken(100, 656)], 100), {
    items: numbers(65_600).slice(65_500),
    nextPageToken: pageToken(100, 657),
  });
  assert.deepEqual(pageOf(numbers(70_000), [pageToken(100, 700)], 100), {
    items: numbers(70_000).slice(69_900),
  });
  assert.deepEqual(pageOf(numbers(70_000), [pageToken(1, 65_535)], 1), { items: [65_534] });
});

test("a client can take more at once than usual, but not less, and not all", () => {
  const wishes: readonly [string | undefined, number][] = [
    [undefined, 100],
    ["1000", 1_000],
    ["99999", 1_000],
    ["300", 300],
    ["1", 100],
    ["", 100],
    ["many", 100],
    ["-5", 100],
    ["1e3", 100],
  ];
  for (const [wish, limit] of wishes) assert.equal(pageLimitFor(wish, 100), limit, String(wish));
  assert.equal(pageLimitFor("1000", 5_000), 5_000);
});
