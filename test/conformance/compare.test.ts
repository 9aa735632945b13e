import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, filledIn, type Meaning } from "./compare.ts";
import { startGateway } from "./gateway.ts";
import { openIndices } from "./indices.ts";
import { replay } from "./replay.ts";
import type { Transcript } from "./transcript.ts";

const meaning: Meaning = {
  top: "t",
  indices: openIndices("exact", 7),
  captured: new Map([["before", { sets: 2 }]]),
};

test("texts are filled in", () => {
  assert.equal(filledIn("/${P}/${i020+3} ${i} ${i-2}", meaning), "/t/00000000000000000010 7 5");
});

test("matchers take what they are for, and nothing else", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  const rows: [recorded: unknown, fitting: unknown, wrong: unknown][] = [
    [{ $i: 1 }, 8, 9],
    [{ $i: 1 }, "8", "7"],
    [{ $ttl: 5 }, 4, 6],
    [{ $expires: 10 }, "2026-01-01T00:00:11Z", "2026-01-01T00:00:12Z"],
    [{ $re: "^${P}\\d$" }, "t1", "s1"],
    [{ $type: "integer" }, 3, 3.5],
    [{ $any: true }, "x", undefined],
    [{ $repeat: ["ab", 2] }, "abab", "ab"],
    [{ $delta: ["before", "sets", 1] }, 3, 2],
    [{ $subset: { a: 1 } }, { a: 1, b: 2 }, { b: 2 }],
    [{ $unordered: [{ key: "/${P}" }, { key: "/a" }] }, [{ key: "/a" }, { key: "/t" }], [{ key: "/a" }]],
    [{ a: [1, "${P}"] }, { a: [1, "t"] }, { a: [1, "t"], more: 1 }],
    [{ a: 1 }, { a: 1 }, {}],
    [undefined, undefined, "there"],
  ];
  for (const [recorded, fitting, wrong] of rows) {
    assert.deepEqual(differences(recorded, fitting, meaning, nowMs, "x"), []);
    assert.equal(differences(recorded, wrong, meaning, nowMs, "x").length, 1, JSON.stringify(recorded));
  }
});

test("mapped indices keep their order and stay what they were", () => {
  const indices = openIndices("mapped", 10);
  assert.equal(indices.problem(2, 15), undefined);
  assert.equal(indices.problem(2, "15"), undefined);
  assert.equal(indices.of(2), 15);
  assert.equal(indices.of(3), 16);
  assert.match(indices.problem(2, 14) ?? "", /15 expected, as it was before/);
  assert.match(indices.problem(1, 15) ?? "", /below 15/);
  assert.match(indices.problem(3, 15) ?? "", /above 15/);
  assert.match(indices.problem(3, "many") ?? "", /above/);
});

const set = { request: { method: "PUT", path: "/v2/keys/${P}/a", form: { value: "1" } } };

const exactly = { mode: "exact", name: "t1" } as const;

function transcriptOf(...steps: Transcript["steps"]): Transcript {
  return { name: "own", steps };
}

test("a replay tells every step that differs, and goes on behind it", async () => {
  await using gateway = await startGateway();
  const fitting = transcriptOf(
    {
      kind: "watch",
      id: "w",
      request: { path: "/v2/keys/${P}/a?wait=true" },
      response: { status: 200, headers: { "x-etcd-index": { $i: 0 } } },
    },
    { ...set, response: { status: 201, headers: { "x-etcd-index": { $i: 1 }, location: null } } },
    { kind: "await", id: "w", end: true, events: [{ $subset: { action: "set" } }] },
  );
  assert.deepEqual(await replay(fitting, gateway.origin, exactly), []);
  assert.deepEqual(await replay(fitting, gateway.origin, { mode: "mapped", name: "t2" }), []);
  const wrong = transcriptOf(
    { ...set, response: { status: 200 } },
    { ...set, response: { status: 200 } },
    { ...set, response: { status: 404, headers: { "x-etcd-index": { $i: 3 } } } },
  );
  assert.deepEqual(await replay(wrong, gateway.origin, exactly), [
    "step 1 of 3, request PUT /v2/keys/${P}/a: status 200 expected, 201 came",
    "step 3 of 3, request PUT /v2/keys/${P}/a: status 404 expected, 200 came",
  ]);
});

test("what a transcript wants to be empty is emptied, before and after it", async () => {
  await using gateway = await startGateway();
  await fetch(`${gateway.origin}/v2/keys/left%20over/by?value=1`, { method: "PUT" });
  const root = { request: { path: "/v2/keys/" }, response: { body: { action: "get", node: { dir: true } } } };
  const looking: Transcript = { name: "root", emptyRoot: true, cleanup: ["/_own"], steps: [root] };
  assert.deepEqual(await replay(looking, gateway.origin, exactly), []);
  const writing: Transcript = {
    name: "own",
    cleanup: ["/_own"],
    steps: [
      { request: { method: "PUT", path: "/v2/keys/_own/${P}" }, response: { status: 201 } },
      { ...set, response: { status: 201 } },
    ],
  };
  for (let time = 0; time < 2; time++) assert.deepEqual(await replay(writing, gateway.origin, exactly), []);
});

test("a server that does not answer is a difference", async () => {
  await using gateway = await startGateway();
  const hanging = transcriptOf({
    request: { path: "/v2/keys/${P}/a?wait=true" },
    response: { status: 200 },
    timeoutMs: 50,
  });
  assert.deepEqual(await replay(hanging, gateway.origin, exactly), [
    "step 1 of 1, request GET /v2/keys/${P}/a?wait=true: no whole answer came within 50 ms",
  ]);
});
