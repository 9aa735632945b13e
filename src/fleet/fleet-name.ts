import { utf8Length } from "../lib/text.ts";
import { movedStore, type Place } from "../store/moved-store.ts";
import { under } from "../store/range.ts";
import type { Entry, KeyRange, Store } from "../store/store.ts";
import { eventsPrefix } from "./events.ts";
import type { MachineId } from "./model.ts";
import { fleetKeys, fleetPrefix, turnsPrefix } from "./registry.ts";
import { identityKey } from "./store-identity.ts";

/**
 * Which of the fleets in one store a machine belongs to: the setting `etcd_key_prefix` of fleet v1.0.0, as the path it means there.
 * Every spelling of a path is the same fleet, as it was for etcd v2; blanks around its steps do not count.
 */
export type FleetName = string;

/** The prefix of fleet v1.0.0 where nobody sets another one. */
export const usualFleet: FleetName = "/_coreos.com/fleet";

/** In bytes of UTF-8; every key of the fleet holds the name once, up to three times as long. */
const longestName = 200;

/** Reads a setting. Throws a RangeError with the words after "must be" for what cannot be a path of etcd v2. */
export function readFleetName(text: string): FleetName {
  if (!text.isWellFormed() || /\p{Cc}/u.test(text)) throw new RangeError("a path without control characters");
  const steps: string[] = [];
  for (const step of text.split("/").map((piece) => piece.trim())) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  const name = `/${steps.join("/")}`;
  if (utf8Length(name) > longestName) throw new RangeError(`a path of at most ${longestName} bytes`);
  return name;
}

/** The store as the daemons of one fleet see it: that of the usual fleet is the store itself. */
export function storeOfFleet(store: Store, fleet: FleetName): Store {
  return fleet === usualFleet ? store : movedStore(store, placesOf(fleet));
}

/**
 * Where another fleet than the usual one keeps what it writes. Its name stands behind the first folder's, as one word, so that a
 * fleet `/a` holds nothing of a fleet `/a/b`; and as deep as before, because what a store is filled with comes in an order by depth.
 */
export function placesOf(fleet: FleetName): readonly Place[] {
  const folders = [fleetPrefix, eventsPrefix, turnsPrefix].map((seen) => ({
    seen,
    kept: `${seen.slice(0, -1)}:${wordOf(fleet)}/`,
  }));
  return [...folders, { seen: identityKey, kept: `${identityKey}:${wordOf(fleet)}` }];
}

/** A name without slashes; no two names have the same. */
function wordOf(fleet: FleetName): string {
  return encodeURIComponent(fleet === "/" ? fleet : fleet.slice(1));
}

/** Places of other fleets than the usual one: between these two, because a colon comes after the slash. */
const otherFleets = { from: `${fleetPrefix.slice(0, -1)}:`, to: `${fleetPrefix.slice(0, -1)};` };

/** The machines that are present in any fleet of a store. Asks for the names of the fleets one after the other, not for all they hold. */
export async function presentInAnyFleet(
  read: (range: KeyRange, limit?: number) => Promise<readonly Entry[]>,
): Promise<ReadonlySet<MachineId>> {
  const present = new Set<MachineId>();
  const folder = fleetKeys.machine("");
  const collect = async (place: string): Promise<void> => {
    const machines = place + folder.slice(fleetPrefix.length);
    for (const { key } of await read(under(machines))) present.add(key.slice(machines.length));
  };
  await collect(fleetPrefix);
  for (let { from } = otherFleets; ; ) {
    const [next] = await read({ ...otherFleets, from }, 1);
    if (next === undefined) return present;
    const place = next.key.slice(0, next.key.indexOf("/", otherFleets.from.length) + 1);
    await collect(place);
    from = under(place).to ?? otherFleets.to;
  }
}
