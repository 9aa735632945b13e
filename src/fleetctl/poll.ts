import type { FleetClient, UnitChanges } from "../fleet/api-client.ts";
import type { UnitReport } from "../fleet/api-entities.ts";
import type { UnitName } from "../fleet/model.ts";
import { requirementsOf } from "../fleet/options.ts";
import type { Clock } from "../lib/env.ts";
import { hashUnitText } from "../unit/hash.ts";
import { printUnitFile } from "../unit/print.ts";
import { legends } from "./legend.ts";
import { fileOf } from "./unit-options.ts";

/** The rhythm in which fleetctl v1.0.0 asked its servers. */
const pollMs = 250;

/** What `changes` tells, put together from what a fleet v1.0.0 server has; after a pause, because it tells of nothing by itself. */
export async function pollChanges(
  client: FleetClient,
  clock: Clock,
  names: readonly UnitName[],
  signal: AbortSignal,
): Promise<UnitChanges> {
  await clock.sleep(pollMs, signal);
  const legendOf = legends(await client.machines());
  const units: UnitReport[] = [];
  for (const name of names) {
    const unit = await client.unit(name);
    const states = await client.statesOf(name);
    const file = unit === undefined ? [] : fileOf(unit);
    const reached = unit?.currentState === "launched" ? "launched" : "loaded";
    units.push({
      name,
      ...(unit === undefined
        ? {}
        : { desiredState: unit.desiredState, hash: hashUnitText(printUnitFile(file)) }),
      ...(unit?.currentState === undefined ? {} : { currentState: unit.currentState }),
      global: requirementsOf(file, name).global,
      ...(unit?.machineID === undefined ? {} : { machine: legendOf(unit.machineID) }),
      states: states.map((state) => ({
        machine: legendOf(state.machineID),
        hash: state.hash,
        load: state.systemdLoadState,
        active: state.systemdActiveState,
        sub: state.systemdSubState,
        reached,
      })),
    });
  }
  return { revision: 0, units };
}
