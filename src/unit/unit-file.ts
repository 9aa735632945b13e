/** One `name=value` line of a unit file, with the section it stands in. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  /** Continuation lines keep their backslash and newline, as parsed (spec fleet 1.1, rule 8). */
  readonly value: string;
}

/** A unit file is an ordered list of options; it has no name of its own. */
export type UnitFile = readonly UnitOption[];
