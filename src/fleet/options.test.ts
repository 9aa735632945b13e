import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUnitFile } from "../unit/parse.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import { optionTable, requirementsOf } from "./options.ts";
import { mostValues, problemWithOptions, warningsAbout } from "./options-check.ts";

const nothing = {
  peers: [],
  metadata: new Map(),
  conflicts: [],
  replaces: [],
  global: false,
};

const rows: readonly (readonly [text: string, wants: object])[] = [
  ["", {}],
  ["MachineID=a\nMachineID=b", { machineId: "a" }],
  ["X-ConditionMachineID=a\nX-ConditionMachineBootID=b", { machineId: "a" }],
  ["X-ConditionMachineBootID=b", { machineId: "b" }],
  ["X-ConditionMachineID=a\nMachineID=c", { machineId: "c" }],
  ["MachineID=%i", { machineId: "7" }],
  ["MachineOf=a.service\nX-ConditionMachineOf=b.service", { peers: ["b.service", "a.service"] }],
  ["MachineOf=a.service b.service", { peers: ["a.service b.service"] }],
  ['MachineOf="a.service" "b.service"', { peers: ["a.service", "b.service"] }],
  ["MachineOf=ping@%i.service", { peers: ["ping@7.service"] }],
  ["MachineMetadata=a=b", { metadata: { a: ["b"] } }],
  ["X-ConditionMachineMetadata=a=c\nMachineMetadata=a=b", { metadata: { a: ["b", "c"] } }],
  ["MachineMetadata=a=b c=d", { metadata: {} }],
  ['MachineMetadata="a=b" "c=d"', { metadata: { a: ["b"], c: ["d"] } }],
  ['MachineMetadata="a=b c"', { metadata: { a: ["b c"] } }],
  ["MachineMetadata=a=b=c\nMachineMetadata==b\nMachineMetadata=a=\nMachineMetadata=a", { metadata: {} }],
  ["MachineMetadata=hostname=%p-%i", { metadata: { hostname: ["web-7"] } }],
  ["Conflicts=a*  b*\nX-Conflicts=c*", { conflicts: ["a*", "b*", "c*"] }],
  ['Conflicts="a"  "b"', { conflicts: ["a", "b"] }],
  ["Conflicts=%p@*.service", { conflicts: ["web@*.service"] }],
  ["Replaces=a* b*", { replaces: ["a* b*"] }],
  ['Replaces="a"  "b"', { replaces: ["a", "", "b"] }],
  ["Global=false\nGlobal=tRuE", { global: true }],
  ["Global=true\nGlobal=no", { global: false }],
  ["Global=y", { global: false }],
  ...["true", "yes", "1", "on", "t"].map((word) => [`Global=${word}`, { global: true }] as const),
];

for (const [text, wants] of rows) {
  test(`[X-Fleet] ${JSON.stringify(text)}`, () => {
    const found = requirementsOf(fleet(text), "web@7.service");
    const metadata = Object.fromEntries(Array.from(found.metadata, ([key, values]) => [key, [...values]]));
    assert.deepEqual({ ...found, metadata }, { ...nothing, metadata: {}, ...wants });
  });
}

test("options in other sections mean nothing", () => {
  const { file } = parseUnitFile("[Service]\nGlobal=true\nConflicts=a\n[Unit]\nConflicts=b\n");
  assert.deepEqual(requirementsOf(file, "a.service"), nothing);
});

test("every spelling in the table sets something", () => {
  for (const spelling of optionTable.flatMap((row) => row.spellings)) {
    const text =
      spelling === "OnPartition" ? "OnPartition=keep\nOnPartition=stop" : `${spelling}=1=1\n${spelling}=1`;
    assert.notDeepEqual(requirementsOf(fleet(text), "a.service"), nothing, spelling);
  }
});

const refused: readonly (readonly [text: string, problem: string | undefined])[] = [
  ["OnPartition=keep", undefined],
  ["OnPartition=stop", undefined],
  ["OnPartition=stay", 'OnPartition is "stay"; it can be keep or stop'],
  ["OnPartition=stop\nOnPartition=", 'OnPartition is ""; it can be keep or stop'],
  ["Global=true\nOnPartition=stop", "Global cannot be used with OnPartition"],
  ["Global=true\nOnPartition=keep", undefined],
  ["MachineOf=a.service\nConflicts=a*", 'unresolvable requirements: peer "a.service" matches conflict "a*"'],
  ["MachineOf=a.service\nReplaces=a*", 'unresolvable requirements: peer "a.service" matches replace "a*"'],
  ["MachineID=m\nMachineOf=a.service", "MachineID cannot be used with Peers"],
  ["MachineID=m\nConflicts=a", "MachineID cannot be used with Conflicts"],
  ["MachineID=m\nGlobal=true", "MachineID cannot be used with Global"],
  ["MachineID=m\nReplaces=a", "MachineID cannot be used with Replaces"],
  ["Global=true\nMachineOf=a.service", "Global cannot be used with Peers"],
  ["Global=true\nReplaces=a", "Global cannot be used with Replaces"],
  ["Conflicts=a\nReplaces=b", "Conflicts cannot be used with Replaces"],
  ["MachineID=m\nGlobal=true\nReplaces=a", "MachineID cannot be used with Global"],
  ["Global=true\nMachineMetadata=a=b", undefined],
  ["Global=true\nConflicts=a", undefined],
  ["MachineID=m\nMachineMetadata=a=b", undefined],
  ["MachineOf=a.service\nMachineMetadata=a=b", undefined],
  ["MachineOf=a.service\nConflicts=b", undefined],
  ["Replaces=a\nMachineMetadata=a=b", undefined],
];

for (const [text, problem] of refused) {
  test(`${JSON.stringify(text)}: ${problem ?? "taken"}`, () => {
    assert.equal(problemWithOptions(fleet(text)), problem);
  });
}

test("options have to survive being written to a file", () => {
  const option = (value: string, name = "x"): UnitFile => [
    { section: "A", name, value },
    { section: "A", name: "y", value: "2" },
  ];
  assert.equal(problemWithOptions(option("a".repeat(2046))), "line too long (max 2048 bytes)");
  const lost = (name: string): string => `option "${name}" in section "A" cannot be written to a unit file`;
  assert.equal(problemWithOptions(option("1\n[B]\nz=1")), lost("x"));
  assert.equal(problemWithOptions(option("1 \\")), lost("x"));
  assert.equal(problemWithOptions(option("1", "#x")), lost("#x"));
  assert.equal(problemWithOptions(option(" 1 \\\n 2 ")), undefined);
});

test("a section that comes twice is no reason to refuse", () => {
  assert.equal(problemWithOptions(parseUnitFile("[A]\nx=1\n[B]\ny=2\n[A]\nx=3\n").file), undefined);
});

test("what does nothing is said", () => {
  const text = "Foo=1\nFoo=2\nMachineMetadata=a=b=c\nConflicts=[ ok*\nReplaces=[\nMachineOf=\nMachineID=";
  assert.deepEqual(warningsAbout(fleet(text), "odd.service"), [
    'Unit odd.service: unrecognized requirement in [X-Fleet] section: "Foo"',
    "Unit odd.service: MachineID= in [X-Fleet] section is empty, so that no machine fits",
    "Unit odd.service: MachineOf= in [X-Fleet] section is empty, so that no machine fits",
    "Unit odd.service: MachineMetadata=a=b=c in [X-Fleet] section imposes nothing: it is not one key=value",
    "Unit odd.service: Conflicts=[ in [X-Fleet] section matches nothing: the pattern is malformed",
    "Unit odd.service: Replaces=[ in [X-Fleet] section matches nothing: the pattern is malformed",
  ]);
  const legacy = optionTable.flatMap((row) => row.spellings.map((spelling) => `${spelling}=a=b`)).join("\n");
  assert.deepEqual(warningsAbout(fleet(legacy), "a.service"), []);
});

function fleet(text: string): UnitFile {
  return parseUnitFile(`[X-Fleet]\n${text}\n`).file;
}

test("more values of one option than a unit can have are refused, however they are written", () => {
  const names = Array.from({ length: mostValues }, (_, index) => `a${index}.service`);
  const conflicts = (values: readonly string[]): string | undefined =>
    problemWithOptions(values.map((value) => ({ section: "X-Fleet", name: "Conflicts", value })));
  const refusal = "Conflicts has 1001 values; a unit can have at most 1000 of them";
  assert.equal(conflicts(names), undefined);
  assert.equal(conflicts([...names, "b*"]), refusal);
  assert.equal(conflicts([...names.slice(2), "b* c* d*"]), refusal);
});

test("options of thousands of sections are read in one pass each", () => {
  const file = Array.from({ length: 20_000 }, (_, index) => ({
    section: `S${index % 10_000}`,
    name: "a",
    value: String(index),
  }));
  assert.equal(problemWithOptions(file), undefined);
});
