import type { UnitName } from "../fleet/model.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";

/**
 * Does something to many units in one call, and when systemd refuses the call, to each alone, so that one broken unit
 * spoils nothing for the others. Gives the refused ones with systemd's reason. `act` may also answer with a reason.
 * Throws Fault `manager-unavailable`.
 */
export async function inBatch(
  names: readonly UnitName[],
  act: (names: readonly UnitName[]) => Promise<string | void>,
): Promise<ReadonlyMap<UnitName, string>> {
  if (names.length === 0) return new Map();
  const whole = await reasonAgainst(() => act(names));
  if (whole === undefined) return new Map();
  const refused = new Map<UnitName, string>();
  if (names.length === 1) {
    for (const name of names) refused.set(name, whole);
    return refused;
  }
  await Promise.all(
    names.map(async (name) => {
      const reason = await reasonAgainst(() => act([name]));
      if (reason !== undefined) refused.set(name, reason);
    }),
  );
  return refused;
}

async function reasonAgainst(act: () => Promise<string | void>): Promise<string | undefined> {
  try {
    return (await act()) ?? undefined;
  } catch (error) {
    if (!isFault(error, "bus-refused")) throw error;
    return sentenceOf(error);
  }
}
