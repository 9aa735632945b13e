import type { AttemptBook } from "../fleet/attempt-book.ts";
import { type FleetName, usualFleet } from "../fleet/fleet-name.ts";
import type { UnitManager } from "../fleet/unit-manager.ts";
import type { Log } from "../lib/env.ts";
import type { IdentityFile } from "./identity-file.ts";

/** What a machine remembers of the fleet that its units came from, until it reboots or leaves. */
export interface FormerFleet {
  /** The store's identity; without it there is no former fleet. */
  readonly identity: IdentityFile;
  /** The fleet's name; nothing stands for the usual one. */
  readonly name: IdentityFile;
  readonly units: Pick<UnitManager, "list">;
  readonly attempts: Pick<AttemptBook, "clear" | "save">;
}

/**
 * The fleet that the daemon is to serve. Another setting than before is a move, and a restart moves no unit: while the machine holds
 * units it goes on with the fleet they came from, so that nobody starts them a second time and none is stopped. It changes over when
 * it has left that fleet (`systemctl stop fleet`), has been rebooted, or holds no unit.
 */
export async function chooseFleet(wanted: FleetName, former: FormerFleet, log: Log): Promise<FleetName> {
  const { identity, name, units, attempts } = former;
  const before = (await identity.read()) === undefined ? undefined : ((await name.read()) ?? usualFleet);
  if (before !== undefined && before !== wanted) {
    const held = (await units.list()).length;
    if (held > 0) {
      log.warning(
        `etcd_key_prefix is ${wanted}, but this machine holds ${held} unit(s) of the fleet ${before} and stays in that one: ` +
          "to have it leave and change over, use systemctl stop fleet, then systemctl start fleet",
      );
      return before;
    }
    log.info(`changing over from the fleet ${before} to ${wanted}`);
    // What was carried out for the other fleet says nothing of a unit with the same name in this one.
    attempts.clear();
    await attempts.save();
    await identity.forget();
  }
  if (wanted === usualFleet) await name.forget();
  // What stands there already is not written again: a restart works on a machine whose /run is full.
  else if ((await name.read()) !== wanted) await name.write(wanted);
  if (wanted !== usualFleet) log.info(`this machine belongs to the fleet ${wanted} of its store`);
  return wanted;
}
