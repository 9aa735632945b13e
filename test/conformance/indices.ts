/** How the indices of a recording are compared with those of a server. */
export type IndexMode = "exact" | "mapped";

/** What the indices of a transcript stand for on the server that it is replayed with; they are counted from its beginning. */
export interface Indices {
  /** The server's index for a recorded one. */
  of(recorded: number): number;
  /** Whether what came can stand for a recorded index; why not, otherwise undefined. */
  problem(recorded: number, came: unknown): string | undefined;
}

/** @param first the server's index when the transcript began */
export function openIndices(mode: IndexMode, first: number): Indices {
  return mode === "exact" ? exact(first) : mapped(first);
}

/** Every recorded index has moved by the same number. */
function exact(first: number): Indices {
  return {
    of: (recorded) => first + recorded,
    problem: (recorded, came) =>
      numberOf(came) === first + recorded ? undefined : `index ${first + recorded} expected`,
  };
}

/** The same index is always the same number, and a later one a larger number; for servers that others write to as well. */
function mapped(first: number): Indices {
  const known = new Map<number, number>([[0, first]]);
  return {
    of: (recorded) => {
      let below = 0;
      for (const index of known.keys()) if (index <= recorded && index > below) below = index;
      return (known.get(below) ?? first) + (recorded - below);
    },
    problem: (recorded, came) => {
      const number = numberOf(came);
      const before = known.get(recorded);
      if (before !== undefined)
        return before === number ? undefined : `index ${before} expected, as it was before`;
      for (const [index, value] of known) {
        const inOrder = index < recorded ? value < number : value > number;
        if (!inOrder) return `an index ${index < recorded ? "above" : "below"} ${value} expected`;
      }
      if (!Number.isSafeInteger(number)) return "an index expected";
      known.set(recorded, number);
      return undefined;
    },
  };
}

/** Headers hold indices as text. */
function numberOf(came: unknown): number {
  if (typeof came === "number") return came;
  return typeof came === "string" && /^\d+$/.test(came) ? Number(came) : Number.NaN;
}
