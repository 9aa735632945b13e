import assert from "node:assert/strict";
import { test } from "node:test";
import { hashUnitText } from "../unit/hash.ts";
import { machineReport, staysAtDrain } from "./machine-report.ts";
import type { Machine, Placement, Unit } from "./model.ts";
import type { FleetView } from "./registry.ts";

/** A cluster of `m1` to `m3`, on the first of which are units with the given [X-Fleet] options. */
function reportOn(options: Readonly<Record<string, string>>, isDrained = false): readonly string[] {
  const units = new Map<string, Unit>();
  const placements = new Map<string, Placement>();
  for (const [short, lines] of Object.entries(options)) {
    const name = `${short}.service`;
    const text = `[Service]\nExecStart=/bin/true\n[X-Fleet]\n${lines}\n`;
    units.set(name, { name, text, hash: hashUnitText(text), target: "launched", revision: 1 });
    placements.set(name, { unit: name, machine: "m1", revision: 1 });
  }
  const machine = (id: string, zone: string): readonly [string, Machine] => [
    id,
    { id, address: "", metadata: { machine: id, zone }, version: "" },
  ];
  const view: FleetView = {
    revision: 1,
    units,
    placements,
    machines: new Map([machine("m1", "a"), machine("m2", "a"), machine("m3", "b")]),
    states: new Map(),
    cordons: new Map(isDrained ? [["m1", { machine: "m1", sinceMs: 0, drain: { mostMoving: 1 } }]] : []),
  };
  return (machineReport(view, "m1")?.units ?? []).map(
    (unit) => `${unit.name.replace(".service", "")} ${unit.state}${staysAtDrain(unit) ? " stays" : ""}`,
  );
}

test("a unit that only one machine could ever hold is told as such, drained or not", () => {
  const options = {
    free: "",
    id: "MachineID=m1",
    elsewhere: "MachineID=m2",
    only: "MachineMetadata=machine=m1",
    some: "MachineMetadata=zone=a",
    either: "MachineMetadata=machine=m1\nMachineMetadata=machine=m2",
    peer: "MachineOf=only.service",
    freePeer: "MachineOf=free.service",
    circle: "MachineOf=circle.service",
  };
  assert.deepEqual(reportOn(options), [
    "circle here",
    "either here",
    "elsewhere here",
    "free here",
    "freePeer here",
    "id here stays",
    "only here stays",
    "peer here stays",
    "some here",
  ]);
  assert.deepEqual(reportOn({ id: "MachineID=m1", only: options.only, free: "" }, true), [
    "free waits",
    "id pinned stays",
    "only waits stays",
  ]);
});
