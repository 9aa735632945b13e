import type { MachineEntity, MachineLegend } from "../fleet/api-entities.ts";
import type { MachineId } from "../fleet/model.ts";

/** A machine as tables and messages show it (fleetctl v1.0.0): `11111111.../10.0.0.1`, or its whole ID. */
export function machineLegend({ id, address }: MachineLegend, full: boolean): string {
  const short = full ? id : `${id.slice(0, 8)}...`;
  return address === "" ? short : `${short}/${address}`;
}

/** Finds legends by ID; a machine that is gone has no address. */
export function legends(machines: readonly MachineEntity[]): (id: MachineId) => MachineLegend {
  const addresses = new Map(machines.map((machine) => [machine.id, machine.primaryIP ?? ""]));
  return (id) => ({ id, address: addresses.get(id) ?? "" });
}
