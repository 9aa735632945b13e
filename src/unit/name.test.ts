import assert from "node:assert/strict";
import { test } from "node:test";
import { problemWithName, recognisedSuffixes, splitName, withServiceSuffix } from "./name.ts";
import { expandSpecifiers } from "./specifiers.ts";

const bad: readonly (readonly [name: string, problem: string])[] = [
  ["", "unit name cannot be empty"],
  [`${"a".repeat(249)}.service`, "unit name exceeds maximum length (256)"],
  [`${"é".repeat(125)}.service`, "unit name exceeds maximum length (256)"],
  [".service", "unit name cannot be empty"],
  ["foo", 'unit name must contain "."'],
  ["foo.", 'unit name cannot end in "."'],
  ["a.foo", 'invalid unit type: "foo"'],
  ["a.scope", 'invalid unit type: "scope"'],
  ["a.snapshot", 'invalid unit type: "snapshot"'],
  ["a.busname", 'invalid unit type: "busname"'],
  ["a@b.mount", 'invalid unit type for template: "mount"'],
  ["@b.mount", 'invalid unit type for template: "mount"'],
  ["a b.service", "invalid character ' ' in unit name"],
  ["a/b.service", "invalid character '/' in unit name"],
  ["a'.service", "invalid character '\\'' in unit name"],
  ["a\n.service", "invalid character '\\n' in unit name"],
  ["a\u0001.service", "invalid character '\\x01' in unit name"],
  ["é.service", "invalid character 'é' in unit name"],
  ["a\u200b.service", "invalid character '\\u200b' in unit name"],
  ["😀.service", "invalid character '😀' in unit name"],
  ["@a.service", 'unit name cannot start in "@"'],
];

for (const [name, problem] of bad) {
  test(`${JSON.stringify(name.slice(0, 20))}: ${problem}`, () => {
    assert.equal(problemWithName(name), problem);
  });
}

test("good names", () => {
  const names = [
    "a.service",
    "a@.service",
    "a@b@c.timer",
    "a-b_c:d\\x2d.1.mount",
    `${"a".repeat(248)}.service`,
  ];
  for (const name of [...names, ...recognisedSuffixes.map((suffix) => `x.${suffix}`)]) {
    assert.equal(problemWithName(name), undefined, name);
  }
});

const splits = [
  ["foo.service", "foo", "foo", undefined, undefined, false],
  ["foo@.service", "foo@", "foo", "foo@.service", undefined, true],
  ["foo@bar.service", "foo@bar", "foo", "foo@.service", "bar", false],
  ["foo@a@b.service", "foo@a@b", "foo", "foo@.service", "a@b", false],
  ["foo@a.b.service", "foo@a.b", "foo", "foo@.service", "a.b", false],
] as const;

for (const [name, stem, prefix, template, instance, isTemplate] of splits) {
  test(`${name} taken apart`, () => {
    const parts = splitName(name);
    assert.deepEqual(
      [parts?.stem, parts?.prefix, parts?.template, parts?.instance, parts?.isTemplate, parts?.suffix],
      [stem, prefix, template, instance, isTemplate, "service"],
    );
  });
}

test("a name without a dot cannot be taken apart", () => {
  assert.equal(splitName("foo"), undefined);
});

for (const [argument, name] of [
  ["web", "web.service"],
  ["dir/web.service", "web.service"],
  ["./dir/web@1", "web@1.service"],
  ["web.1", "web.1.service"],
  ["x.target", "x.target"],
  ["x.scope", "x.scope.service"],
  ["service", "service.service"],
] as const) {
  test(`the argument ${argument} means ${name}`, () => {
    assert.equal(withServiceSuffix(argument), name);
  });
}

for (const [value, name, expanded] of [
  ["%n %N %p %i", "foo@bar.service", "foo@bar.service foo@bar foo bar"],
  ["%n %N %p [%i]", "foo.service", "foo.service foo foo []"],
  ["%m %H %%i", "foo@bar.service", "%m %H %bar"],
  ["%p", "$&@x.service", "$&"],
  ["%i", "foo", "%i"],
] as const) {
  test(`"${value}" for ${name}`, () => {
    assert.equal(expandSpecifiers(value, name), expanded);
  });
}
