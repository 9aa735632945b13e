import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { apiRequest, stillClock, testApi } from "./api-fixture.ts";
import { fleetApi } from "./api-server.ts";
import { asDescribed } from "./openapi-check.ts";
import { FakeRegistry } from "./fake-registry.ts";

const option = (section: string, name: string, value: string) => ({ section, name, value });
const run = option("Service", "ExecStart", "/bin/sleep %i");

function api() {
  const { registry, request } = testApi();
  const put = async (name: string, body: unknown) => {
    const { status, message = "", headers } = await request("PUT", `/fleet/v1/units/${name}`, body);
    return { status, message, warnings: headers.get("argosy-warnings") };
  };
  const textOf = (name: string) => registry.view().units.get(name)?.text;
  return { registry, put, textOf };
}

test("an instance without options is made from its template, and keeps its text when the template changes", async () => {
  const { put, textOf, registry } = api();
  const missing = await put("a@1.service", { desiredState: "launched" });
  assert.deepEqual([missing.status, missing.message], [409, "unit does not exist and options field empty"]);
  assert.equal((await put("a@.service", { options: [run] })).status, 201);
  assert.equal((await put("a@1.service", { desiredState: "launched" })).status, 201);
  assert.equal((await put("a@2.service", {})).status, 201);
  assert.equal(registry.view().units.get("a@1.service")?.target, "launched");
  assert.equal(registry.view().units.get("a@2.service")?.target, "inactive");
  await put("a@.service", { options: [option("Service", "ExecStart", "/bin/true")] });
  assert.equal(textOf("a@1.service"), "[Service]\nExecStart=/bin/sleep %i\n");
  // A template is not made from itself, and another type has another template.
  assert.equal((await put("b@.service", {})).status, 409);
  assert.equal((await put("a@1.timer", {})).status, 409);
});

test("drop-ins are merged behind the unit in the order of their names", async () => {
  const { put, textOf } = api();
  const dropIns = [
    { name: "20-z.conf", options: [option("Service", "MemoryMax", "1G")] },
    { name: "10-a.conf", options: [option("Service", "ExecStart", ""), option("X-Fleet", "Global", "true")] },
  ];
  assert.equal((await put("a.service", { options: [run], dropIns })).status, 201);
  const text = "[Service]\nExecStart=/bin/sleep %i\nExecStart=\nMemoryMax=1G\n\n[X-Fleet]\nGlobal=true\n";
  assert.equal(textOf("a.service"), text);
  // The same again changes nothing, so that only the target state counts.
  assert.equal((await put("a.service", { options: [run], dropIns, desiredState: "loaded" })).status, 204);
  await put("t@.service", { options: [run] });
  assert.equal((await put("t@1.service", { dropIns: [dropIns[0]] })).status, 201);
  assert.equal(textOf("t@1.service"), "[Service]\nExecStart=/bin/sleep %i\nMemoryMax=1G\n");
});

test("drop-ins that cannot be are refused", async () => {
  const { put } = api();
  const rows: readonly (readonly [unknown, string])[] = [
    [
      { dropIns: [{ name: "a.conf", options: [run] }] },
      "dropIns are given without the options that they add to",
    ],
    [{ options: [run], dropIns: {} }, "unable to decode body: dropIns must be a list of at most 100"],
    [{ options: [run], dropIns: [1] }, "unable to decode body: each drop-in must be a JSON object"],
    [{ options: [run], dropIns: [{}] }, "unable to decode body: a drop-in must have a name"],
    [
      { options: [run], dropIns: [{ name: "../a.conf" }] },
      'unable to decode body: "../a.conf" cannot be the name of a drop-in: it must be a file\'s name that ends in .conf',
    ],
    [
      {
        options: [run],
        dropIns: [
          {
            name: "a.conf",
            options: [option("X-Fleet", "MachineOf", "b.service"), option("X-Fleet", "Global", "1")],
          },
        ],
      },
      "Global cannot be used with Peers",
    ],
  ];
  for (const [body, message] of rows) assert.deepEqual((await put("a.service", body)).message, message);
});

test("what is odd about a unit that is taken is told in a header", async () => {
  const { put } = api();
  assert.equal((await put("a.service", { options: [run] })).warnings, null);
  const odd = await put("a.service", {
    options: [run, option("X-Fleet", "Föö", "1"), option("X-Fleet", "MachineMetadata", "a=b=c")],
  });
  assert.equal(odd.status, 201);
  assert.match(odd.warnings ?? "", /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(odd.warnings ?? ""), [
    'Unit a.service: unrecognized requirement in [X-Fleet] section: "Föö"',
    "Unit a.service: MachineMetadata=a=b=c in [X-Fleet] section imposes nothing: it is not one key=value",
  ]);
  const many = Array.from({ length: 50 }, (_, at) => option("X-Fleet", `Odd${at}`, "1"));
  const told = JSON.parse((await put("a.service", { options: [run, ...many] })).warnings ?? "") as string[];
  assert.deepEqual([told.length, told.at(-1)], [11, "and 40 more"]);
});

test("a template and drop-ins that are too large together are refused", async () => {
  const { put } = api();
  const lines = Array.from({ length: 350 }, () => option("Service", "Environment", `A=${"x".repeat(1900)}`));
  assert.equal((await put("big@.service", { options: lines })).status, 201);
  assert.equal((await put("big@1.service", {})).status, 201);
  const { status, message } = await put("big@2.service", { dropIns: [{ name: "a.conf", options: lines }] });
  assert.deepEqual(
    [status, message],
    [400, "the unit has more than 1048576 bytes of text with its drop-ins"],
  );
});

test("faults of the registry that the client can help are told to it as its own", async () => {
  const rows = [
    ["too-many-changes", 400],
    ["store-too-large", 413],
    ["store-unavailable", 503],
  ] as const;
  for (const [code, status] of rows) {
    class Failing extends FakeRegistry {
      override setMetadata(): Promise<number> {
        return Promise.reject(new Fault(code, "no"));
      }
    }
    const handler = asDescribed(fleetApi(new Failing(), { version: "1", clock: stillClock }));
    const body = '[{"op":"add","path":"/m/metadata/k","value":"1"}]';
    const response = await handler(apiRequest("PATCH", "/fleet/v1/machines", body));
    assert.equal(response.status, status);
  }
});
