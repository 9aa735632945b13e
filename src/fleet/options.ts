import { isSpace } from "../lib/text.ts";
import { expandSpecifiers } from "../unit/specifiers.ts";
import type { UnitFile } from "../unit/unit-file.ts";
import type { MachineId, UnitName } from "./model.ts";

/** What the [X-Fleet] section of one unit asks of its machine and its neighbours (fleet v1.0.0). */
export interface Requirements {
  /** The only machine it may run on: its full ID or the first eight characters. */
  readonly machineId?: MachineId;
  /** Units that have to be on the same machine, all of them, by exact name. */
  readonly peers: readonly UnitName[];
  /** For each key the values of which a machine has to have one. */
  readonly metadata: ReadonlyMap<string, ReadonlySet<string>>;
  /** Globs over names of units that must not be on the same machine. */
  readonly conflicts: readonly string[];
  /** Globs over names of units that make way for this one. */
  readonly replaces: readonly string[];
  /** True for a unit that runs on every machine that fits. */
  readonly global: boolean;
  /** True for a unit that is to be stopped when its machine cannot renew its presence; absent for all others. */
  readonly stopOnPartition?: true;
}

/** One option of the [X-Fleet] section. */
export interface OptionRow {
  readonly name: string;
  /** Every spelling that is understood, in the order in which their values count. */
  readonly spellings: readonly string[];
  /** `all`: the values of every spelling together; `first`: only those of the first spelling that is there. */
  readonly take: "all" | "first";
  /** `line`: as the section's lines are split; `words`: then at white space too. */
  readonly split: "line" | "words";
  /** The only values it can have, for an option that is not in fleet v1.0.0. */
  readonly accepts?: readonly string[];
  readonly apply: (draft: Draft, values: readonly string[]) => void;
}

type Draft = { -readonly [Key in keyof Requirements]: Requirements[Key] };

/** The section these options stand in. */
export const fleetSection = "X-Fleet";

/** Every option of the [X-Fleet] section. */
export const optionTable: readonly OptionRow[] = [
  {
    name: "MachineID",
    // The boot ID spelling is the oldest one and has always been compared with the machine's ID.
    spellings: ["MachineID", "X-ConditionMachineID", "X-ConditionMachineBootID"],
    take: "first",
    split: "line",
    apply: (draft, [first]) => {
      if (first !== undefined) draft.machineId = first;
    },
  },
  {
    name: "MachineOf",
    spellings: ["X-ConditionMachineOf", "MachineOf"],
    take: "all",
    split: "line",
    apply: (draft, values) => {
      draft.peers = values;
    },
  },
  {
    name: "MachineMetadata",
    spellings: ["MachineMetadata", "X-ConditionMachineMetadata"],
    take: "all",
    split: "line",
    apply: (draft, values) => {
      draft.metadata = metadataOf(values);
    },
  },
  {
    name: "Conflicts",
    spellings: ["Conflicts", "X-Conflicts"],
    take: "all",
    split: "words",
    apply: (draft, values) => {
      draft.conflicts = values;
    },
  },
  {
    name: "Global",
    spellings: ["Global"],
    take: "all",
    split: "line",
    apply: (draft, values) => {
      draft.global = /^(?:true|yes|1|on|t)$/i.test(values.at(-1) ?? "");
    },
  },
  {
    name: "Replaces",
    spellings: ["Replaces"],
    take: "all",
    split: "line",
    apply: (draft, values) => {
      draft.replaces = values;
    },
  },
  {
    // An option of Argosy; fleet v1.0.0 only warns about it.
    name: "OnPartition",
    spellings: ["OnPartition"],
    take: "all",
    split: "line",
    accepts: ["keep", "stop"],
    apply: (draft, values) => {
      if (values.at(-1) === "stop") draft.stopOnPartition = true;
    },
  },
];

/** What a unit asks for, with `%n`, `%N`, `%p` and `%i` expanded for its name. Keys that are not known ask for nothing. */
export function requirementsOf(file: UnitFile, name: UnitName): Requirements {
  return readRequirements(file, (value) => expandSpecifiers(value, name));
}

/** What a unit file asks for before its unit has a name: specifiers stay as they are. */
export function rawRequirementsOf(file: UnitFile): Requirements {
  return readRequirements(file, (value) => value);
}

function readRequirements(file: UnitFile, expand: (value: string) => string): Requirements {
  const draft: Draft = { peers: [], metadata: new Map(), conflicts: [], replaces: [], global: false };
  for (const row of optionTable) row.apply(draft, valuesOf(file, row).map(expand));
  return draft;
}

/** The values that a file gives an option, whatever it is spelled, split but not expanded. */
export function valuesOf(file: UnitFile, row: OptionRow): readonly string[] {
  const bySpelling = row.spellings.map((spelling) =>
    file
      .filter((option) => option.section === fleetSection && option.name === spelling)
      .flatMap((option) => splitLine(option.value)),
  );
  const values =
    row.take === "all" ? bySpelling.flat() : (bySpelling.find((found) => found.length > 0) ?? []);
  return row.split === "words" ? values.flatMap(splitWords) : values;
}

/**
 * A value that starts and ends with a double quote is a list: quotes are dropped, and each space outside of them
 * separates, so that two spaces give an empty value. Any other value is one value.
 */
function splitLine(value: string): string[] {
  if (!value.startsWith('"') || !value.endsWith('"')) return [value];
  const values: string[] = [];
  let current = "";
  let quoted = false;
  for (const character of value) {
    if (character === '"') {
      quoted = !quoted;
    } else if (character === " " && !quoted) {
      values.push(current);
      current = "";
    } else {
      current += character;
    }
  }
  return [...values, current];
}

function splitWords(value: string): string[] {
  const words: string[] = [];
  let current = "";
  for (const character of value) {
    if (!isSpace(character)) {
      current += character;
    } else if (current !== "") {
      words.push(current);
      current = "";
    }
  }
  return current === "" ? words : [...words, current];
}

function metadataOf(values: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const metadata = new Map<string, Set<string>>();
  for (const value of values) {
    const pair = splitMetadata(value);
    if (pair === undefined) continue;
    const accepted = metadata.get(pair.key);
    if (accepted === undefined) metadata.set(pair.key, new Set([pair.value]));
    else accepted.add(pair.value);
  }
  return metadata;
}

/** A `key=value` with exactly one `=` and both sides filled; anything else imposes nothing. */
export function splitMetadata(value: string): { key: string; value: string } | undefined {
  const [key, wanted, ...more] = value.split("=");
  if (key === undefined || key === "" || wanted === undefined || wanted === "") return undefined;
  return more.length > 0 ? undefined : { key, value: wanted };
}
