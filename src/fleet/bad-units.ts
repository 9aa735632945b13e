import fc from "fast-check";
import { parseUnitFile } from "../unit/parse.ts";

const well = "[Service]\nExecStart=/bin/sleep 1000\n";
const seeds: readonly string[] = [
  well,
  "[Unit]\nDescription=a\nAfter=b.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c \\\n  'true'\n[X-Fleet]\nMachineOf=b.service\n",
  "[Service]\nExecStart=/bin/true\n[X-Fleet]\nGlobal=true\nMachineMetadata=a=b\nConflicts=c*.service\n",
  "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n",
  '[X-Fleet]\nMachineID=11111111\nReplaces=*\nX-ConditionMachineOf="a" "b"\n',
];
const pieces = [
  "[",
  "]",
  "=",
  "\n",
  "\r\n",
  "\\\n",
  "\\",
  "#",
  ";",
  '"',
  "'",
  "%i",
  "%n",
  "%",
  "\0",
  "\u2028",
  "é",
  "\ud800",
  "[X-Fleet]\n",
  "Global=true\n",
  "Conflicts=[\n",
  "Conflicts=*\n",
  "MachineOf=%n\n",
  "Replaces=?\n",
  "[Install]\nWantedBy=x\n",
  "x".repeat(3000),
];

/** A unit file with some of its text cut out, doubled or replaced. */
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds),
    fc.array(fc.record({ at: fc.nat(200), length: fc.nat(20), put: fc.constantFrom(...pieces) }), {
      maxLength: 6,
    }),
  )
  .map(([seed, edits]) => {
    let text = seed;
    for (const { at, length, put } of edits) text = text.slice(0, at) + put + text.slice(at + length);
    return parseUnitFile(text).file;
  });
const odd = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: "binary", maxLength: 10 }),
  fc.constantFrom(...pieces),
);
const random = fc.array(fc.record({ section: odd, name: odd, value: odd }), { maxLength: 8 });
const torn = fc.constantFrom<unknown>(
  null,
  1,
  "text",
  [],
  [[]],
  { options: 1 },
  { options: [null] },
  { options: [{ name: {} }] },
  {
    name: [],
  },
);

/** A PUT of a unit that may be anything. */
export interface Attempt {
  readonly name: string;
  /** As JSON. */
  readonly body: unknown;
}

const attempt: fc.Arbitrary<Attempt> = fc
  .record({
    stem: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom("a", "b", "c", "t@", "t@1", "t@x@y", "a-b", "a\\x2db") },
      { weight: 1, arbitrary: odd },
    ),
    suffix: fc.constantFrom(
      ...Array.from({ length: 6 }, () => "service"),
      "timer",
      "socket",
      "mount",
      "slice",
      "scope",
      "",
    ),
    options: fc.oneof({ weight: 9, arbitrary: mutated }, { weight: 1, arbitrary: random }),
    dropIns: fc.constantFrom(undefined, undefined, [
      { name: "a.conf", options: [{ section: "Service", name: "Nice", value: "1" }] },
    ]),
    desiredState: fc.constantFrom("launched", "launched", "launched", "loaded", "inactive", "", "odd"),
    torn: fc.oneof({ weight: 19, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: torn }),
  })
  .map(({ stem, suffix, torn: instead, ...body }) => ({ name: `${stem}.${suffix}`, body: instead ?? body }));

/** Random and mutated units as they are sent to the API; the same for the same seed. Half of them are almost right. */
export function badUnits(count: number, seed: number): readonly Attempt[] {
  return fc.sample(attempt, { numRuns: count, seed });
}
