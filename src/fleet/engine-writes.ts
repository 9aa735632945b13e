import { exactly } from "../store/range.ts";
import type { Compare, Operation } from "../store/store.ts";
import type { Decision, Plan } from "./cluster.ts";
import { type EventNote, fewReasons } from "./events.ts";
import type { DrainMarks, MachineId, Placed, Placement, Scheduled, Unit, UnitName } from "./model.ts";
import type { FleetPicture, ScheduledAt } from "./picture.ts";
import { encodePlacement, encodeScheduled, type PlacementInput } from "./records.ts";
import { fleetKeys } from "./registry.ts";

/** One change that belongs together: it is carried out whole, and only while what the plan saw still holds. */
export interface EngineWrite {
  readonly unit: UnitName;
  readonly when: readonly Compare[];
  readonly then: readonly Operation[];
  /** The machine that gets something to do by it, of a write that does nothing but place a unit. */
  readonly places?: MachineId;
  /** Which half of a move it carries out, when another write carries out the other one. */
  readonly half?: "leaves" | "arrives";
  /** What it does and why, for the log. */
  readonly because: string;
  /** What it decides, to be written down with it; absent when it only carries out what was decided before. */
  readonly note?: EventNote;
}

/** What the engine writes after a plan. */
export interface EngineWork {
  readonly writes: readonly EngineWrite[];
  /** Units whose placement waits until they have stopped where they were. */
  readonly deferred: readonly UnitName[];
}

/**
 * Turns a plan into guarded writes: placements with their lines of the schedules, then whatever else makes the schedules
 * say what they should (targets and texts that changed, global units, units that are gone).
 * A unit is placed only when no present machine still holds it, so that it never runs twice.
 * @param touched the units that may differ from what the schedules say; undefined when it may be any
 */
export function engineWork(
  plan: Plan,
  picture: FleetPicture,
  isGlobal: (unit: UnitName) => boolean,
  touched?: ReadonlySet<UnitName>,
): EngineWork {
  const writes: EngineWrite[] = [];
  const deferred: UnitName[] = [];
  const decided = new Set<UnitName>();
  for (const decision of plan.decisions) {
    decided.add(decision.unit);
    const write = writeFor(decision, picture);
    if (write === "later") deferred.push(decision.unit);
    else if (write !== undefined) writes.push(write);
  }
  writes.push(...scheduleCorrections(plan, picture, decided, isGlobal, touched));
  return { writes, deferred };
}

function writeFor(decision: Decision, picture: FleetPicture): EngineWrite | "later" | undefined {
  const unit = picture.units.get(decision.unit);
  const placement = picture.placements.get(decision.unit);
  switch (decision.kind) {
    case "place":
      if (unit === undefined) return undefined;
      if (heldElsewhere(picture, decision.unit, decision.on)) return "later";
      if (hasLineElsewhere(picture, decision.unit, decision.on)) {
        const then = linesOf(picture, unit.name, decision.on);
        return {
          unit: unit.name,
          when: seen(unit.name, unit, placement),
          then,
          because: "gives up its old place",
        };
      }
      return {
        ...place(unit, placement, placedOn(decision), picture, decision.reason),
        note: noteOf("decision.placed", decision, decision.reason),
      };
    case "move": {
      if (unit === undefined) return undefined;
      if (
        !heldElsewhere(picture, decision.unit, decision.on) &&
        picture.presenceRevision(decision.from) === undefined
      )
        return {
          ...place(unit, placement, placedOn(decision), picture, decision.because),
          note: noteOf("decision.moved", decision, decision.because),
        };
      const why = `moving to ${decision.on}, and stopping here first`;
      const waiting = [{ machine: decision.from, why }];
      return {
        ...unplace(unit.name, placement, picture, { waiting, ...markOf(decision) }, decision.because),
        note: noteOf("decision.moved", decision, decision.because),
        half: "leaves",
      };
    }
    case "unplace":
      return {
        ...unplace(decision.unit, placement, picture, undefined, decision.because),
        note: noteOf("decision.unplaced", decision, decision.because),
      };
    case "keep":
      if (unit === undefined) return undefined;
      return keep(decision, unit, placement, picture);
    case "succeed":
      if (unit === undefined) return undefined;
      return {
        ...place(unit, placement, { machine: decision.on }, picture, decision.because),
        note: noteOf("decision.moved", decision, decision.because),
        half: "leaves",
      };
    case "wait":
      return {
        ...unplace(
          decision.unit,
          placement,
          picture,
          { waiting: decision.because, ...markOf(decision) },
          "it cannot be placed",
          // A machine that is away may run it still, and goes on with it when it is back and nothing has changed.
          ...absentWithLine(picture, decision.unit),
        ),
        note: {
          ...noteOf("decision.waiting", decision, "it cannot be placed"),
          reasons: fewReasons(decision.because),
        },
      };
  }
}

function noteOf(
  kind: EventNote["kind"],
  decision: { readonly unit: UnitName; readonly from?: MachineId; readonly on?: MachineId },
  because: string,
): EventNote {
  const { unit, from, on } = decision;
  return {
    kind,
    unit,
    ...(on === undefined ? {} : { machine: on }),
    ...(from === undefined ? {} : { from }),
    because,
  };
}

/** True when a machine that is present, other than those in `on`, has not yet let go of the unit. */
function heldElsewhere(picture: FleetPicture, unit: UnitName, ...on: readonly MachineId[]): boolean {
  for (const machine of picture.states.get(unit)?.keys() ?? []) {
    if (!on.includes(machine) && picture.presenceRevision(machine) !== undefined) return true;
  }
  return false;
}

function placedOn(decision: { readonly on: MachineId; readonly drained?: MachineId }): Placed {
  return { machine: decision.on, ...markOf(decision) };
}

function markOf({ drained }: { readonly drained?: MachineId }): Pick<DrainMarks, "drained"> {
  return drained === undefined ? {} : { drained };
}

/** Writes what a drain adds to a unit's placement; a new successor gets the unit to run. */
function keep(
  decision: Extract<Decision, { kind: "keep" }>,
  unit: Unit,
  placement: Placement | undefined,
  picture: FleetPicture,
): EngineWrite | "later" {
  const { on, successor, drained, stays } = decision;
  if (successor !== undefined && heldElsewhere(picture, unit.name, on, successor)) return "later";
  const when = seen(unit.name, unit, placement);
  const then: Operation[] = [];
  if (successor !== undefined) {
    when.push({ key: fleetKeys.machine(successor), modRevision: picture.presenceRevision(successor) ?? 0 });
    then.push(putScheduled(successor, scheduledFrom(unit)));
  }
  const placed: Placed = {
    machine: on,
    ...markOf(drained === undefined ? {} : { drained }),
    ...(successor === undefined ? {} : { successor }),
    ...(stays === undefined ? {} : { stays }),
  };
  const moves = successor !== undefined;
  return {
    unit: unit.name,
    when,
    then: [putPlacement(unit.name, placed), ...then, ...linesOf(picture, unit.name, on, successor)],
    because: moves
      ? `starts on ${successor} before it stops on ${on} (${decision.because})`
      : "stays where it is",
    ...(moves
      ? {
          note: {
            kind: "decision.moved",
            unit: unit.name,
            machine: successor,
            from: on,
            because: decision.because,
          },
          half: "arrives",
        }
      : {}),
  };
}

function place(
  unit: Unit,
  placement: Placement | undefined,
  placed: Placed,
  picture: FleetPicture,
  because: string,
): EngineWrite {
  const on = placed.machine;
  const when = seen(unit.name, unit, placement);
  // A machine that loses its line must be as it was seen: one that has come back since may have started the unit again.
  for (const machine of picture.linesOf(unit.name).keys()) {
    if (machine === on) continue;
    when.push({ key: fleetKeys.machine(machine), modRevision: picture.presenceRevision(machine) ?? 0 });
  }
  const presence = picture.presenceRevision(on);
  when.push({ key: fleetKeys.machine(on), modRevision: presence ?? 0 });
  return {
    unit: unit.name,
    when,
    then: [
      putPlacement(unit.name, placed),
      putScheduled(on, scheduledFrom(unit)),
      ...linesOf(picture, unit.name, on),
    ],
    places: on,
    because: `placed on ${on} (${because})`,
  };
}

function unplace(
  unit: UnitName,
  placement: Placement | undefined,
  picture: FleetPicture,
  input: PlacementInput | undefined,
  because: string,
  ...except: readonly MachineId[]
): EngineWrite {
  const key = fleetKeys.placement(unit);
  return {
    unit,
    when: [{ key, modRevision: placement?.revision ?? 0 }],
    then: [
      input === undefined ? { do: "delete", range: exactly(key) } : putPlacement(unit, input),
      ...linesOf(picture, unit, ...except),
    ],
    because,
  };
}

function absentWithLine(picture: FleetPicture, unit: UnitName): MachineId[] {
  const machines = [...picture.linesOf(unit).keys()];
  return machines.filter((machine) => picture.presenceRevision(machine) === undefined);
}

/** True when a machine that has come back still has a line of a unit whose place is another one. */
function hasLineElsewhere(picture: FleetPicture, unit: UnitName, on: MachineId): boolean {
  return [...picture.linesOf(unit).keys()].some(
    (machine) => machine !== on && picture.presenceRevision(machine) !== undefined,
  );
}

/** Deletes a unit's lines from every schedule but those of `except`. */
function linesOf(
  picture: FleetPicture,
  unit: UnitName,
  ...except: readonly (MachineId | undefined)[]
): Operation[] {
  const operations: Operation[] = [];
  for (const machine of picture.linesOf(unit).keys()) {
    if (!except.includes(machine))
      operations.push({ do: "delete", range: exactly(fleetKeys.scheduled(machine, unit)) });
  }
  return operations;
}

/** Differences between what the schedules say and what they should, for units the plan has not decided about. */
function scheduleCorrections(
  plan: Plan,
  picture: FleetPicture,
  decided: ReadonlySet<UnitName>,
  isGlobal: (unit: UnitName) => boolean,
  touched: ReadonlySet<UnitName> | undefined,
): EngineWrite[] {
  const writes: EngineWrite[] = [];
  const belongs = (machine: MachineId, name: UnitName, unit: Unit): boolean => {
    if (unit.target === "inactive") return false;
    const placement = picture.placements.get(name);
    const absent = picture.presenceRevision(machine) === undefined;
    // A unit that fits nowhere keeps the line of the machine it was on, for when that comes back.
    if (!isGlobal(name) && placement !== undefined && "waiting" in placement) return absent;
    if (!isGlobal(name))
      return (
        placement !== undefined &&
        "machine" in placement &&
        (placement.machine === machine || placement.successor === machine)
      );
    // The absence of a machine is no reason to take its global units away: it may only be cut off.
    return absent || (plan.holds.get(machine)?.includes(name) ?? false);
  };
  for (const [machine, name, line] of linesToCheck(picture, touched)) {
    if (decided.has(name)) continue;
    const unit = picture.units.get(name);
    const key = fleetKeys.scheduled(machine, name);
    const when: Compare[] = [
      { key, modRevision: line.revision },
      { key: fleetKeys.unit(name), modRevision: unit?.revision ?? 0 },
    ];
    if (unit === undefined || !belongs(machine, name, unit)) {
      const because = unit === undefined ? "the unit was destroyed" : "it does not belong here any more";
      writes.push({ unit: name, when, then: [{ do: "delete", range: exactly(key) }], because });
    } else if (line.scheduled.hash !== unit.hash || line.scheduled.target !== unit.target) {
      const then: Operation[] = [putScheduled(machine, scheduledFrom(unit))];
      writes.push({ unit: name, when, then, because: `now ${unit.target}` });
    } else if (line.scheduled.restart !== unit.restart) {
      const then: Operation[] = [putScheduled(machine, scheduledFrom(unit))];
      writes.push({ unit: name, when, then, because: `to be restarted on ${machine}` });
    }
  }
  for (const [machine, name] of holdsToCheck(plan, picture, touched)) {
    const unit = picture.units.get(name);
    if (picture.presenceRevision(machine) === undefined) continue;
    if (unit === undefined || decided.has(name) || picture.linesOf(name).has(machine)) continue;
    if (!belongs(machine, name, unit)) continue;
    const key = fleetKeys.scheduled(machine, name);
    writes.push({
      unit: name,
      when: [
        { key, modRevision: 0 },
        { key: fleetKeys.unit(name), modRevision: unit.revision },
      ],
      then: [putScheduled(machine, scheduledFrom(unit))],
      because: `belongs on ${machine}`,
    });
  }
  return writes;
}

function* linesToCheck(
  picture: FleetPicture,
  touched: ReadonlySet<UnitName> | undefined,
): Iterable<[MachineId, UnitName, ScheduledAt]> {
  if (touched === undefined) {
    for (const [machine, lines] of picture.schedules)
      for (const [name, line] of lines) yield [machine, name, line];
  }
  for (const name of touched ?? [])
    for (const [machine, line] of picture.linesOf(name)) yield [machine, name, line];
}

/** What machines hold. Of a unit that was touched, where its placement says: touched global units take a check of all. */
function* holdsToCheck(
  plan: Plan,
  picture: FleetPicture,
  touched: ReadonlySet<UnitName> | undefined,
): Iterable<[MachineId, UnitName]> {
  if (touched === undefined) {
    for (const [machine, names] of plan.holds) for (const name of names) yield [machine, name];
  }
  for (const name of touched ?? []) {
    const placement = picture.placements.get(name);
    if (placement === undefined || !("machine" in placement)) continue;
    if (plan.holds.get(placement.machine)?.includes(name) === true) yield [placement.machine, name];
  }
}

function seen(name: UnitName, unit: Unit, placement: Placement | undefined): Compare[] {
  return [
    { key: fleetKeys.unit(name), modRevision: unit.revision },
    { key: fleetKeys.placement(name), modRevision: placement?.revision ?? 0 },
  ];
}

function putPlacement(unit: UnitName, input: PlacementInput): Operation {
  return { do: "put", key: fleetKeys.placement(unit), value: encodePlacement(input) };
}

function putScheduled(machine: MachineId, scheduled: Scheduled): Operation {
  return { do: "put", key: fleetKeys.scheduled(machine, scheduled.unit), value: encodeScheduled(scheduled) };
}

function scheduledFrom(unit: Unit): Scheduled {
  const target = unit.target === "launched" ? "launched" : "loaded";
  const { name, text, hash, restart } = unit;
  return { unit: name, text, hash, target, ...(restart === undefined ? {} : { restart }) };
}
