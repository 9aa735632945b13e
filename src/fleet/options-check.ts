import { goQuoted } from "../lib/go-quote.ts";
import { isGlob, matchesGlob } from "../lib/glob.ts";
import { trimSpace } from "../lib/text.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { printUnitFile } from "../unit/print.ts";
import { expandSpecifiers } from "../unit/specifiers.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import type { UnitName } from "./model.ts";
import {
  fleetSection,
  optionTable,
  type Requirements,
  rawRequirementsOf,
  splitMetadata,
  valuesOf,
} from "./options.ts";

/** Values that one unit may give an option of [X-Fleet]. */
export const mostValues = 1000;

/**
 * Why a unit with these options cannot be taken, in the words of fleet v1.0.0; undefined when it can. The unit's name
 * plays no part, so specifiers are compared as they stand.
 */
export function problemWithOptions(file: UnitFile): string | undefined {
  return (
    problemWithWriting(file) ??
    problemWithCounts(file) ??
    problemWithRequirements(rawRequirementsOf(file)) ??
    problemWithValues(file)
  );
}

/** Options come as a list from the API; as text they must say the same. */
function problemWithWriting(file: UnitFile): string | undefined {
  const written = parseUnitFile(printUnitFile(file));
  const [problem] = written.problems;
  if (problem !== undefined) return problem.sentence;
  const expected = [...Map.groupBy(file, (option) => option.section).values()].flat();
  const lost = expected.find((option, index) => {
    const read = written.file[index];
    return (
      read === undefined ||
      read.section !== option.section ||
      read.name !== trimSpace(option.name) ||
      trimSpace(read.value) !== trimSpace(option.value)
    );
  });
  if (lost === undefined) return undefined;
  return `option ${JSON.stringify(lost.name)} in section ${JSON.stringify(lost.section)} cannot be written to a unit file`;
}

/** Each is compared with every unit there is, so that one unit with a megabyte of them would hold up the whole cluster. */
function problemWithCounts(file: UnitFile): string | undefined {
  for (const row of optionTable) {
    const count = valuesOf(file, row).length;
    if (count > mostValues)
      return `${row.name} has ${count} values; a unit can have at most ${mostValues} of them`;
  }
  return undefined;
}

/** Options of Argosy's own: what they do not understand they refuse, because no old unit file can have it. */
function problemWithValues(file: UnitFile): string | undefined {
  for (const row of optionTable) {
    const { accepts } = row;
    const wrong =
      accepts === undefined ? undefined : valuesOf(file, row).find((value) => !accepts.includes(value));
    if (wrong !== undefined)
      return `${row.name} is ${JSON.stringify(wrong)}; it can be ${accepts?.join(" or ")}`;
  }
  return undefined;
}

function problemWithRequirements(wants: Requirements): string | undefined {
  const unresolvable = [
    { word: "conflict", patterns: wants.conflicts },
    { word: "replace", patterns: wants.replaces },
  ];
  for (const { word, patterns } of unresolvable) {
    for (const peer of wants.peers) {
      const pattern = patterns.find((candidate) => matchesGlob(candidate, peer));
      if (pattern !== undefined) {
        return `unresolvable requirements: peer ${goQuoted(peer)} matches ${word} ${goQuoted(pattern)}`;
      }
    }
  }
  const has = {
    MachineID: wants.machineId !== undefined,
    Peers: wants.peers.length > 0,
    Conflicts: wants.conflicts.length > 0,
    Global: wants.global,
    Replaces: wants.replaces.length > 0,
    OnPartition: wants.stopOnPartition === true,
  };
  const exclusive = excludedPairs.find(([one, other]) => has[one] && has[other]);
  return exclusive === undefined ? undefined : `${exclusive[0]} cannot be used with ${exclusive[1]}`;
}

/** Options that exclude each other, in the order in which they are named (fleet v1.0.0). */
const excludedPairs = [
  ["MachineID", "Peers"],
  ["MachineID", "Conflicts"],
  ["MachineID", "Global"],
  ["MachineID", "Replaces"],
  ["Global", "Peers"],
  ["Global", "Replaces"],
  ["Conflicts", "Replaces"],
  // Every machine has a copy of its own; there is no other one to start elsewhere.
  ["Global", "OnPartition"],
] as const;

/** What a user should hear about a unit that is taken all the same: options that do nothing. One sentence each. */
export function warningsAbout(file: UnitFile, name: UnitName): string[] {
  const known = new Set(optionTable.flatMap((row) => row.spellings));
  const unknown = new Set(
    file
      .filter((option) => option.section === fleetSection && !known.has(option.name))
      .map((option) => option.name),
  );
  const warnings = Array.from(
    unknown,
    (option) => `unrecognized requirement in [X-Fleet] section: ${goQuoted(option)}`,
  );
  for (const row of optionTable) {
    for (const value of valuesOf(file, row)) {
      const idle = whyIdle(row.name, expandSpecifiers(value, name));
      if (idle !== undefined) warnings.push(`${row.name}=${value} in [X-Fleet] section ${idle}`);
    }
  }
  return warnings.map((warning) => `Unit ${name}: ${warning}`);
}

function whyIdle(option: string, value: string): string | undefined {
  if (option === "MachineMetadata" && splitMetadata(value) === undefined) {
    return "imposes nothing: it is not one key=value";
  }
  if ((option === "Conflicts" || option === "Replaces") && !isGlob(value)) {
    return "matches nothing: the pattern is malformed";
  }
  if ((option === "MachineID" || option === "MachineOf") && value === "") {
    return "is empty, so that no machine fits";
  }
  return undefined;
}
