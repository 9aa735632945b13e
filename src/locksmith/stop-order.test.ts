import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { UnitTies } from "./machine-control.ts";
import { stopOrder } from "./stop-order.ts";

function ties(text: string): readonly UnitTies[] {
  return text.split(";").map((line) => {
    const [name = "", ...words] = line.trim().split(" ");
    const those = (mark: string): readonly string[] =>
      words.filter((word) => word.startsWith(mark)).map((word) => word.slice(1));
    return { name, after: those(">"), requires: those("!") };
  });
}

/** `a >b !c`: a comes after b and requires c. Of the result, `b(a)`: b, once a has ended. */
const cases: readonly (readonly [string, string, string])[] = [
  ["nothing between them: by name", "b; a; c", "a b c"],
  ["what comes after is stopped before", "db; web >db", "web db"],
  ["a chain, against the order of names", "a; b >a; c >b", "c b a"],
  ["two that depend on one", "db; x >db; y >db", "x y db"],
  ["one that depends on two", "db; queue; web >db >queue", "web db queue"],
  ["required without an order: it is waited for", "db; web !db", "web db(web)"],
  ["required and after: systemd keeps the order", "db; web >db !db", "web db"],
  ["required, and ordered the other way round, as a sidecar is", "web !sidecar; sidecar >web", "sidecar web"],
  ["required by two", "db; x !db; y !db", "x y db(x,y)"],
  ["ordered by way of another", "a; b >a; c >b !a", "c b a"],
  ["units that are not there are no concern", "web >basic.target >docker.service !gone", "web"],
  ["it names itself", "web >web !web", "web"],
  ["a circle of orders is cut", "a >b; b >a", "a b"],
  ["a circle of requirements is cut", "a !b; b !a", "a b(a)"],
  ["a service behind its socket", "web.socket; web.service >web.socket", "web.service web.socket"],
];

for (const [name, units, expected] of cases) {
  test(`order of stops: ${name}`, () => {
    const order = stopOrder(ties(units));
    const text = order.map(({ name: unit, waitsFor }) =>
      waitsFor.length === 0 ? unit : `${unit}(${waitsFor.join(",")})`,
    );
    assert.equal(text.join(" "), expected);
  });
}

test("each unit is stopped once, and without circles never before one that depends on it", () => {
  const numbers = fc.array(fc.nat(11), { maxLength: 4 });
  const unit = fc.record({ after: numbers, requires: numbers });
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), fc.boolean(), (drawn, mayCircle) => {
      const names = drawn.map((_, at) => `u${String(at).padStart(2, "0")}`);
      const units = drawn.map(({ after, requires }, at) => {
        const those = (picked: readonly number[]): readonly string[] =>
          picked
            .filter((other) => mayCircle || other < at)
            .map((other) => `u${String(other).padStart(2, "0")}`);
        return { name: names[at] ?? "", after: those(after), requires: those(requires) };
      });
      const order = stopOrder(units);
      const at = new Map(order.map(({ name }, index) => [name, index]));
      assert.deepEqual([...at.keys()].sort(), names);
      assert.equal(order.length, names.length);
      for (const { name, waitsFor } of order)
        for (const other of waitsFor) assert.ok((at.get(other) ?? 99) < (at.get(name) ?? 0));
      if (mayCircle) return;
      for (const { name, after, requires } of units)
        for (const other of [...after, ...requires])
          assert.ok((at.get(name) ?? 99) < (at.get(other) ?? 99), `${name} before ${other}`);
    }),
  );
});
