const text = { type: "string" } as const;
const required = { type: "string", required: true } as const;
const stateWord = { type: "string", enum: ["inactive", "loaded", "launched"] } as const;
const map = { type: "object", properties: {}, additionalProperties: { type: "string" } } as const;

/**
 * What `GET /fleet/v1/discovery` answers: the API described in Google's discovery format, version 1, so that generated
 * clients of fleet v1.0.0 find what they know. `$ENDPOINT` stands there too, and so do the words about a single state.
 */
export const discoveryDocument = {
  kind: "discovery#restDescription",
  discoveryVersion: "v1",
  id: "fleet:v1",
  name: "schema",
  version: "v1",
  title: "fleet API",
  description: "",
  documentationLink: "http://github.com/coreos/fleet",
  protocol: "rest",
  icons: { x16: "", x32: "" },
  labels: [],
  baseUrl: "$ENDPOINT/fleet/v1/",
  basePath: "/fleet/v1/",
  rootUrl: "$ENDPOINT/",
  servicePath: "fleet/v1/",
  batchPath: "batch",
  parameters: {},
  auth: {},
  schemas: {
    Machine: object("Machine", { id: text, primaryIP: text, metadata: map }),
    MachinePage: page("MachinePage", "machines", "Machine"),
    UnitOption: object("UnitOption", { section: text, name: text, value: text }),
    Unit: object("Unit", {
      name: text,
      options: listOf("UnitOption"),
      desiredState: stateWord,
      currentState: stateWord,
      machineID: required,
    }),
    UnitPage: page("UnitPage", "units", "Unit"),
    UnitState: object("UnitState", {
      name: text,
      hash: text,
      machineID: text,
      systemdLoadState: text,
      systemdActiveState: text,
      systemdSubState: text,
    }),
    UnitStatePage: page("UnitStatePage", "states", "UnitState"),
  },
  resources: {
    Machines: {
      methods: {
        List: list("fleet.Machine.List", "Retrieve a page of Machine objects.", "machines", "MachinePage"),
      },
    },
    Units: {
      methods: {
        List: list("fleet.Unit.List", "Retrieve a page of Unit objects.", "units", "UnitPage"),
        Get: one("fleet.Unit.Get", "GET", "Retrieve a single Unit object.", "units/{unitName}", {
          answer: "Unit",
        }),
        Delete: one("fleet.Unit.Delete", "DELETE", "Delete the referenced Unit object.", "units/{unitName}"),
        Set: one("fleet.Unit.Set", "PUT", "Create or update a Unit.", "units/{unitName}", { body: "Unit" }),
      },
    },
    UnitState: {
      methods: {
        Get: one(
          "fleet.UnitState.Get",
          "GET",
          "Retrieve a page of a single UnitState object.",
          "state/{unitName}",
          {
            answer: "UnitState",
          },
        ),
        List: list(
          "fleet.UnitState.List",
          "Retrieve a page of UnitState objects.",
          "state",
          "UnitStatePage",
          {
            unitName: { type: "string", location: "query" },
            machineID: { type: "string", location: "query" },
          },
        ),
      },
    },
  },
} as const;

/** The document as it is sent: byte for byte as fleet v1.0.0 does, with its indentation and a last line end. */
export const discoveryText = `${JSON.stringify(discoveryDocument, null, 2)}\n`;

function listOf(schema: string): Readonly<Record<string, unknown>> {
  return { type: "array", items: { $ref: schema } };
}

function object(
  id: string,
  properties: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { id, type: "object", properties };
}

function page(id: string, field: string, schema: string): Readonly<Record<string, unknown>> {
  return object(id, { [field]: listOf(schema), nextPageToken: { type: "string" } });
}

function list(
  id: string,
  description: string,
  path: string,
  answer: string,
  filters: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const parameters = { nextPageToken: { type: "string", location: "query" }, ...filters };
  return { id, description, httpMethod: "GET", path, parameters, response: { $ref: answer } };
}

function one(
  id: string,
  httpMethod: string,
  description: string,
  path: string,
  shapes: { readonly answer?: string; readonly body?: string } = {},
): Readonly<Record<string, unknown>> {
  return {
    id,
    description,
    httpMethod,
    path,
    parameters: { unitName: { type: "string", location: "path", required: true } },
    parameterOrder: ["unitName"],
    ...(shapes.body === undefined ? {} : { request: { $ref: shapes.body } }),
    ...(shapes.answer === undefined ? {} : { response: { $ref: shapes.answer } }),
  };
}
