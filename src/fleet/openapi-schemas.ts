import { eventKinds } from "./events.ts";

/** The part of JSON Schema (2020-12, as OpenAPI 3.1 uses it) that describes the API. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
}

/** A schema by its name. */
export function ref(name: keyof typeof schemas): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const whole: Schema = { type: "integer" };
const truth: Schema = { type: "boolean", description: "present only when true" };
const machineId: Schema = { type: "string", description: "the content of /etc/machine-id" };
const hash: Schema = { type: "string", description: "SHA-1 of the unit's text" };
const time: Schema = { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" };
const stateWord: Schema = { type: "string", enum: ["inactive", "loaded", "launched"] };
const texts: Schema = { type: "object", additionalProperties: text };

/** An object whose fields are known; those named in `optional` may be absent. */
function object(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", description, properties, required, additionalProperties: false };
}

function listOf(items: Schema): Schema {
  return { type: "array", items };
}

function named(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function page(description: string, field: string, entity: string): Schema {
  const nextPageToken = { type: "string", description: "opaque; absent on the last page" } as const;
  return object(description, { [field]: listOf(named(entity)), nextPageToken }, [field, "nextPageToken"]);
}

const unitReport = {
  name: text,
  desiredState: stateWord,
  currentState: stateWord,
  global: flag,
  hash,
  machine: named("MachineLegend"),
  states: listOf(named("StateReport")),
} as const;
const absentFromReport = ["desiredState", "currentState", "hash", "machine"];

const event = {
  kind: { type: "string", enum: eventKinds },
  unit: text,
  machine: machineId,
  from: machineId,
  target: stateWord,
  hash,
  because: text,
  reasons: listOf(object("Why not on a machine.", { machine: machineId, why: text }, ["machine"])),
  state: object("What systemd says.", { active: text, sub: text, load: text, result: text, problem: text }, [
    "result",
    "problem",
  ]),
  metadata: texts,
  omitted: whole,
  id: { type: "string", pattern: "^\\d+-\\d+$", description: "the cursor to go on from" },
  at: time,
  writer: machineId,
  by: object("Who asked, as far as that is known.", { user: text, address: text, program: text }, [
    "user",
    "address",
    "program",
  ]),
} as const satisfies Readonly<Record<string, Schema>>;

/** Every schema of the API. */
export const schemas = {
  Error: object("Why a request was refused.", {
    error: object("As in fleet v1.0.0.", { code: whole, message: text }),
  }),
  Option: object(
    "One line of a unit file; what is empty is absent.",
    { name: text, section: text, value: text },
    ["name", "section", "value"],
  ),
  Unit: object(
    "A unit of the registry.",
    {
      currentState: stateWord,
      desiredState: stateWord,
      machineID: machineId,
      name: text,
      options: listOf(named("Option")),
      waiting: listOf(named("WaitingReason")),
    },
    ["currentState", "machineID", "options", "waiting"],
  ),
  UnitPage: page("A page of units.", "units", "Unit"),
  UnitWrite: {
    type: "object",
    description: "What PUT takes; other fields are passed over.",
    properties: {
      name: text,
      desiredState: stateWord,
      options: listOf(named("Option")),
      dropIns: listOf(
        object("Added behind the options, in the order of names.", {
          name: text,
          options: listOf(named("Option")),
        }),
      ),
    },
  },
  UnitState: object(
    "What systemd says about a unit on one machine; empty for a unit that has no state yet.",
    {
      hash,
      machineID: machineId,
      name: text,
      systemdActiveState: text,
      systemdLoadState: text,
      systemdSubState: text,
    },
    ["hash", "machineID", "name", "systemdActiveState", "systemdLoadState", "systemdSubState"],
  ),
  UnitStatePage: page("A page of unit states.", "states", "UnitState"),
  Machine: object("A machine that is present.", { id: machineId, metadata: texts, primaryIP: text }, [
    "metadata",
    "primaryIP",
  ]),
  MachinePage: page("A page of machines.", "machines", "Machine"),
  MetadataChanges: {
    type: "array",
    description: "What PATCH takes. The value may also stand in `value` of an object.",
    items: {
      type: "object",
      properties: {
        op: { type: "string", enum: ["add", "replace", "remove"] },
        path: { type: "string", pattern: "^/[^/]+/metadata/[A-Za-z0-9_.-]+$" },
        value: text,
      },
      required: ["op", "path"],
    },
  },
  Discovery: { type: "object", description: "The API in Google's discovery format." },
  MachineLegend: object("A machine's ID and address; the address is empty when unknown.", {
    id: machineId,
    address: text,
  }),
  WaitingReason: object(
    "Why a unit cannot be on a machine, or anywhere.",
    { machine: named("MachineLegend"), why: text },
    ["machine"],
  ),
  StateReport: object(
    "A unit on one machine.",
    {
      machine: named("MachineLegend"),
      hash,
      load: text,
      active: text,
      sub: text,
      reached: { type: "string", enum: ["loaded", "launched"] },
      restart: whole,
      result: text,
      problem: text,
    },
    ["restart", "result", "problem"],
  ),
  UnitReport: object(
    "Everything that is known about one unit.",
    { ...unitReport, waiting: listOf(named("WaitingReason")) },
    [...absentFromReport, "waiting"],
  ),
  Changes: object("Units that look different.", { revision: whole, units: listOf(named("UnitReport")) }),
  ChangesRequest: object("Which units, and since when.", { after: whole, units: listOf(text) }, ["after"]),
  Restart: object("A restart is carried out where a state's `restart` is this or greater.", {
    restart: whole,
  }),
  Event: object("Something that happened.", event, [
    "unit",
    "machine",
    "from",
    "target",
    "hash",
    "because",
    "reasons",
    "state",
    "metadata",
    "omitted",
    "by",
  ]),
  Events: object("Events that are over.", { cursor: text, gap: truth, events: listOf(named("Event")) }, [
    "gap",
  ]),
  Why: object(
    "Why a unit is where it is, or nowhere.",
    {
      summary: text,
      ...unitReport,
      decision: named("Event"),
      machines: listOf(
        object(
          "What a machine says to the unit.",
          { machine: named("MachineLegend"), here: flag, may: flag, why: text, units: whole },
          ["why"],
        ),
      ),
      journal: listOf(
        object("The last lines.", { machine: named("MachineLegend"), lines: listOf(text), problem: text }, [
          "lines",
          "problem",
        ]),
      ),
    },
    [...absentFromReport, "decision", "journal"],
  ),
  MachineReport: object(
    "How a machine takes part in the cluster.",
    {
      id: machineId,
      address: text,
      present: flag,
      state: { type: "string", enum: ["ready", "cordoned", "draining", "drained"] },
      since: time,
      maxUnavailable: whole,
      units: listOf(
        object(
          "A unit of it.",
          {
            name: text,
            state: {
              type: "string",
              enum: ["here", "global", "waits", "starting", "left", "stopping", "stays", "pinned"],
            },
            onlyHere: truth,
            to: named("MachineLegend"),
            failed: truth,
            reasons: listOf(named("WaitingReason")),
          },
          ["onlyHere", "to", "failed", "reasons"],
        ),
      ),
    },
    ["since", "maxUnavailable"],
  ),
  MachineReports: object("Every machine.", { machines: listOf(named("MachineReport")) }),
  VersionedMachineReport: object("A machine; whoever knows the version can wait for another.", {
    version: text,
    machine: named("MachineReport"),
  }),
  Drain: object("How many units may be on the move at a time.", { maxUnavailable: whole }, [
    "maxUnavailable",
  ]),
  OpenApi: { type: "object", description: "This document." },
} as const satisfies Readonly<Record<string, Schema>>;
