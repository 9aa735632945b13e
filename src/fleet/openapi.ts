import { exitCodeHeader, journalEndHeader } from "./api-local.ts";
import { mostPageLimit, pageLimitHeader } from "./api-paging.ts";
import { ref, type Schema, schemas } from "./openapi-schemas.ts";

/** One request of the API. */
export interface ApiOperation {
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, Answer>>;
}

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: true;
  readonly description?: string;
  readonly schema: Schema;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;

export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly schema: Schema }>>;
  readonly content?: Content;
}

export type Methods = Readonly<Partial<Record<"get" | "put" | "post" | "patch" | "delete", ApiOperation>>>;

function json(description: string, name: keyof typeof schemas): Answer {
  return { description, content: { "application/json": { schema: ref(name) } } };
}

const reasons: Readonly<Record<number, string>> = {
  400: "cannot be understood, or is not allowed",
  404: "there is no such thing",
  409: "does not go with what is there",
  413: "the body is larger than 1 MiB",
  415: "the content type is not application/json",
  502: "another machine had to be asked and was not reached",
  503: "the machine is joining or leaving, the store is away, or too many streams are open",
};

/** The answers that refuse, with those that every request can have. */
function refusals(...codes: readonly number[]): Readonly<Record<string, Answer>> {
  return Object.fromEntries(
    [...codes, 503].map((code) => [String(code), json(reasons[code] ?? "", "Error")]),
  );
}

function query(name: string, description: string, schema: Schema = { type: "string" }): Parameter {
  return { name, in: "query", description, schema };
}

const name: Parameter = {
  name: "name",
  in: "path",
  required: true,
  description: "the unit's full name",
  schema: { type: "string" },
};
const machine: Parameter = {
  name: "name",
  in: "path",
  required: true,
  description: "the machine's ID",
  schema: { type: "string" },
};
const token = query("nextPageToken", "from the page before");
const pageLimit: Parameter = {
  name: pageLimitHeader,
  in: "header",
  description: `how many entries a page may have beyond the usual number, up to ${mostPageLimit}; the same for each page of a list`,
  schema: { type: "integer" },
};
const onMachine = query("machine", "ask this machine, by its ID");

const fleetPaths: Readonly<Record<string, Methods>> = {
  "/units": {
    get: {
      summary: "Lists units",
      parameters: [token, pageLimit],
      responses: { 200: json("a page", "UnitPage"), ...refusals(400) },
    },
  },
  "/units/{name}": {
    get: {
      summary: "One unit",
      parameters: [name],
      responses: { 200: json("the unit", "Unit"), ...refusals(404) },
    },
    put: {
      summary: "Creates or changes a unit, or what is wanted of it",
      parameters: [name],
      requestBody: { required: true, content: { "application/json": { schema: ref("UnitWrite") } } },
      responses: {
        201: {
          description: "created, or its options replaced",
          headers: {
            "Argosy-Warnings": {
              description: "what is odd about the unit: a list of texts, as JSON in ASCII",
              schema: { type: "string" },
            },
          },
        },
        204: { description: "what is wanted has changed" },
        ...refusals(400, 404, 409, 413, 415),
      },
    },
    delete: {
      summary: "Removes a unit from the registry; machines stop it",
      parameters: [name],
      responses: { 204: { description: "removed" }, ...refusals(404, 409) },
    },
  },
  "/state": {
    get: {
      summary: "What systemd says about each unit on each machine",
      parameters: [
        token,
        pageLimit,
        query("unitName", "only this unit"),
        query("machineID", "only this machine"),
      ],
      responses: { 200: json("a page", "UnitStatePage"), ...refusals(400) },
    },
  },
  "/state/{name}": {
    get: {
      summary: "One state of a unit, that of its own machine if there are several",
      parameters: [name],
      responses: { 200: json("the state; empty when there is none yet", "UnitState"), ...refusals(404) },
    },
  },
  "/machines": {
    get: {
      summary: "Lists machines that are present",
      parameters: [token, pageLimit],
      responses: { 200: json("a page", "MachinePage"), ...refusals(400) },
    },
    patch: {
      summary: "Changes metadata of machines",
      requestBody: { required: true, content: { "application/json": { schema: ref("MetadataChanges") } } },
      responses: { 204: { description: "changed" }, ...refusals(400, 409, 413) },
    },
  },
  "/discovery": {
    get: {
      summary: "The API in Google's discovery format",
      responses: { 200: json("the document", "Discovery"), ...refusals() },
    },
  },
};

const changes: Answer = json("as soon as one of the units differs, or after 30 seconds", "Changes");
const text: Content = { "text/plain; charset=utf-8": { schema: { type: "string" } } };

const argosyPaths: Readonly<Record<string, Methods>> = {
  "/argosy/v1/changes": {
    get: {
      summary: "Waits for a change of units",
      parameters: [query("unit", "may be repeated"), query("after", "a revision; 0 for what is so now")],
      responses: { 200: changes, ...refusals(400) },
    },
    post: {
      summary: "The same for many units",
      requestBody: { required: true, content: { "application/json": { schema: ref("ChangesRequest") } } },
      responses: { 200: changes, ...refusals(400, 413) },
    },
  },
  "/argosy/v1/events": {
    get: {
      summary: "What happened in the cluster, and what happens",
      parameters: [
        query("after", "only what comes after the event with this id"),
        {
          name: "Last-Event-ID",
          in: "header",
          description: "the same, and stronger",
          schema: { type: "string" },
        },
        query("last", "only so many of the events there are", { type: "integer" }),
        query("follow", "false: one JSON document instead of a stream", { type: "boolean" }),
        query("unit", "may be repeated"),
        query("machine", "its ID or the first eight characters; may be repeated"),
        query("kind", "a kind, or the word before its dot; may be repeated"),
      ],
      responses: {
        200: {
          description: "server-sent events whose data are Events, and `gap` where some are forgotten",
          content: {
            "text/event-stream": { schema: { type: "string" } },
            "application/json": { schema: ref("Events") },
          },
        },
        ...refusals(400),
      },
    },
  },
  "/argosy/v1/units/{name}/why": {
    get: {
      summary: "Why a unit is where it is, or nowhere",
      parameters: [name],
      responses: { 200: json("machine by machine", "Why"), ...refusals(404) },
    },
  },
  "/argosy/v1/units/{name}/restart": {
    post: {
      summary: "Restarts a unit wherever it runs",
      parameters: [name],
      responses: { 200: json("the restart's number", "Restart"), ...refusals(404, 409) },
    },
  },
  "/argosy/v1/units/{name}/status": {
    get: {
      summary: "What systemctl status prints on the unit's machine",
      parameters: [name, onMachine],
      responses: {
        200: {
          description: "its text",
          headers: {
            [exitCodeHeader]: { description: "that of systemctl", schema: { type: "string" } },
          },
          content: text,
        },
        ...refusals(404, 409, 502),
      },
    },
  },
  "/argosy/v1/units/{name}/journal": {
    get: {
      summary: "What journalctl prints on the unit's machine",
      parameters: [
        name,
        onMachine,
        query("lines", "how many of the last lines; 10", { type: "integer" }),
        query("follow", "go on with lines as they come", { type: "boolean" }),
        query("output", "journalctl's --output; short"),
        query("within", "only lines of the last so many milliseconds", { type: "integer" }),
        query(
          "since",
          "only lines from this instant on, in milliseconds since 1970 by the clock of the unit's machine",
          { type: "integer" },
        ),
        query("older", "only lines from before the last so many milliseconds; not with follow", {
          type: "integer",
        }),
      ],
      responses: {
        200: {
          description: "its text",
          headers: {
            [journalEndHeader]: {
              description:
                "with older, of a unit on one machine: the instant before which lines were told, for since",
              schema: { type: "string" },
            },
          },
          content: text,
        },
        ...refusals(400, 404, 409, 502),
      },
    },
  },
  "/argosy/v1/machines": {
    get: {
      summary: "How every machine takes part in the cluster",
      responses: { 200: json("the machines", "MachineReports"), ...refusals() },
    },
  },
  "/argosy/v1/machines/{name}": {
    get: {
      summary: "How one machine takes part in the cluster",
      parameters: [machine, query("known", "a version: answer when it is another one, or after 30 seconds")],
      responses: { 200: json("the machine", "VersionedMachineReport"), ...refusals(404) },
    },
  },
  "/argosy/v1/machines/{name}/cordon": {
    post: {
      summary: "Gives a machine no new units",
      parameters: [machine],
      responses: { 200: json("the machine", "VersionedMachineReport"), ...refusals(404, 409, 413) },
    },
  },
  "/argosy/v1/machines/{name}/uncordon": {
    post: {
      summary: "Gives a machine new units again",
      parameters: [machine],
      responses: { 200: json("the machine", "VersionedMachineReport"), ...refusals(404, 409) },
    },
  },
  "/argosy/v1/machines/{name}/drain": {
    post: {
      summary: "Moves the units of a machine elsewhere, one by one",
      parameters: [machine],
      requestBody: { required: false, content: { "application/json": { schema: ref("Drain") } } },
      responses: { 200: json("the machine", "VersionedMachineReport"), ...refusals(400, 404, 409, 413) },
    },
  },
  "/argosy/v1/openapi.json": {
    get: {
      summary: "This document",
      responses: { 200: json("OpenAPI 3.1", "OpenApi"), ...refusals() },
    },
  },
  "/metrics": {
    get: {
      summary: "What this machine's daemon counts, for Prometheus",
      responses: {
        200: {
          description: "text format 0.0.4",
          content: { "text/plain; version=0.0.4; charset=utf-8": { schema: { type: "string" } } },
        },
        ...refusals(),
      },
    },
  },
};

/** Every path, with its methods; names in braces stand for one part of a path. */
export const apiPaths: Readonly<Record<string, Methods>> = {
  ...Object.fromEntries(Object.entries(fleetPaths).map(([path, methods]) => [`/fleet/v1${path}`, methods])),
  ...argosyPaths,
};

/**
 * The whole API described as OpenAPI 3.1, served at `/argosy/v1/openapi.json`. `/v1-alpha` is the same as `/fleet/v1` and not
 * repeated.
 */
export function openApiDocument(version: string): Readonly<Record<string, unknown>> {
  return {
    openapi: "3.1.0",
    info: {
      title: "The fleet API of Argosy",
      version,
      description:
        "The API of fleet v1.0.0 below /fleet/v1 (and, the same, below /v1-alpha), and additions below /argosy/v1. There is " +
        "no authentication: who reaches it can run anything as root.",
    },
    servers: [{ url: "http://localhost", description: "usually the unix socket /run/fleet.sock" }],
    paths: apiPaths,
    components: { schemas },
  };
}
