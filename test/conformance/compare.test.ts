import assert from "node:assert/strict";
import { test } from "node:test";
import { differences, filledIn, type Meaning } from "./compare.ts";
import { startGateway } from "./gateway.ts";
import { replay } from "./replay.ts";
import type { Transcript } from "./transcript.ts";

const meaning: Meaning = { top: "t", firstIndex: 7, captured: new Map([["before", { sets: 2 }]]) };

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

const set = { request: { method: "PUT", path: "/v2/keys/${P}/a", form: { value: "1" } } };

function transcriptOf(...steps: Transcript["steps"]): Transcript {
  return { name: "own", steps };
}

test("a replay tells the first step that differs", async () => {
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
  assert.equal(await replay(fitting, gateway.port), undefined);
  const wrong = transcriptOf({ ...set, response: { status: 200 } }, { ...set, response: { status: 404 } });
  assert.equal(
    await replay(wrong, gateway.port),
    "step 2 of 2, request PUT /v2/keys/${P}/a: status 404 expected, 200 came",
  );
});

test("a server that does not answer is a difference", async () => {
  await using gateway = await startGateway();
  const hanging = transcriptOf({
    request: { path: "/v2/keys/${P}/a?wait=true" },
    response: { status: 200 },
    timeoutMs: 50,
  });
  assert.equal(
    await replay(hanging, gateway.port),
    "step 1 of 1, request GET /v2/keys/${P}/a?wait=true: no whole answer came within 50 ms",
  );
});
