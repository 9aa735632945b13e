import type { PlannedUnit } from "../src/fleet/cluster.ts";
import type { Machine } from "../src/fleet/model.ts";
import { requirementsOf } from "../src/fleet/options.ts";
import { hashUnitText } from "../src/unit/hash.ts";
import { parseUnitFile } from "../src/unit/parse.ts";

/** A unit as a user would submit it. */
export interface SyntheticUnit {
  readonly name: string;
  readonly text: string;
}

/** Machines in five zones, a third of them with fast disks; IDs look as real ones do and are the same in every run. */
export function syntheticMachines(count: number): Machine[] {
  return Array.from({ length: count }, (_, at) => ({
    id: hashUnitText(`machine ${at}`).slice(0, 32),
    address: `10.${Math.floor(at / 250)}.0.${at % 250}`,
    metadata: { zone: `z${(at % 5) + 1}`, disk: at % 3 === 0 ? "ssd" : "hdd" },
    version: "1.0.0",
  }));
}

/**
 * Units in the mix of a busy cluster, of every hundred: 58 that go anywhere, 14 that need a zone or a disk, 18 instances
 * of templates that keep apart from each other (30 of each template, or half as many as there are machines), 6 that follow another unit, 2 tied to one machine, 1 that
 * keeps away from the units of one group, 1 that replaces its earlier version. Names are shuffled over the alphabet.
 */
export function syntheticUnits(count: number, machines: readonly Machine[]): SyntheticUnit[] {
  const groupSize = Math.min(largestGroup, Math.floor(machines.length / 2));
  return Array.from({ length: count }, (_, at) => {
    const name = nameOf(at, groupSize);
    const options = optionsOf(at, machines, groupSize);
    const section = options.length > 0 ? `\n[X-Fleet]\n${options.join("\n")}\n` : "";
    return {
      name,
      text: `[Unit]\nDescription=${name}\n\n[Service]\nExecStart=/usr/bin/sleep infinity\n${section}`,
    };
  });
}

/** As the engine sees a unit that is to be launched. */
export function planned({ name, text }: SyntheticUnit): PlannedUnit {
  const { file } = parseUnitFile(text);
  return { name, target: "launched", hash: hashUnitText(text), requirements: requirementsOf(file, name) };
}

/** Of a hundred units in a row; what lies below a bound and above the one before is of that kind. */
const bounds = { anywhere: 58, metadata: 72, apart: 90, follower: 96, pinned: 98, away: 99 };
const largestGroup = 30;

function nameOf(at: number, groupSize: number): string {
  const kind = at % 100;
  if (kind >= bounds.metadata && kind < bounds.apart) {
    const { group, instance } = placeInGroup(at, groupSize);
    return `web${group}@${instance}.service`;
  }
  // A name's first letters come from its hash, so that kinds are mixed in name order.
  return `${hashUnitText(String(at)).slice(0, 6)}-${at}.service`;
}

function placeInGroup(at: number, groupSize: number): { group: number; instance: number } {
  const apart = Math.floor(at / 100) * (bounds.apart - bounds.metadata) + (at % 100) - bounds.metadata;
  return { group: Math.floor(apart / groupSize), instance: apart % groupSize };
}

function optionsOf(at: number, machines: readonly Machine[], groupSize: number): string[] {
  const kind = at % 100;
  if (kind < bounds.anywhere) return [];
  if (kind < bounds.metadata) {
    return kind % 2 === 0
      ? [`MachineMetadata=zone=z${(at % 5) + 1}`]
      : ["MachineMetadata=disk=ssd", `MachineMetadata="zone=z1" "zone=z${(kind % 4) + 2}"`];
  }
  if (kind < bounds.apart) return [`Conflicts=web${placeInGroup(at, groupSize).group}@*.service`];
  if (kind < bounds.follower) return [`MachineOf=${nameOf(at - bounds.apart, groupSize)}`];
  if (kind < bounds.pinned) return [`MachineID=${machines[(at * 7) % machines.length]?.id ?? ""}`];
  if (kind < bounds.away) {
    // On few machines these would be everywhere and leave none for the group: there nobody is of the group they name.
    const group = groupSize === largestGroup ? `web${Math.floor(at / 100) % 10}` : "nobody";
    return [`Conflicts=${group}@*.service`];
  }
  return [`Replaces=${nameOf(at - 50, groupSize)}`];
}
