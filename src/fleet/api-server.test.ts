import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FleetApiOptions, fleetApi } from "./api-server.ts";
import { asDescribed } from "./openapi-check.ts";
import { FakeRegistry } from "./fake-registry.ts";

const one = "1".repeat(32);
const two = "2".repeat(32);
const sleep101 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 101" }];
const machineOfB = [{ section: "X-Fleet", name: "MachineOf", value: "b.service" }];
const sleep102 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 102" }];

let elapsedMs = 0;

/** Time passes between any two looks at this clock, but no sleep ends: limits do not end what a test waits for. */
const stillClock = {
  now: () => 0,
  monotonic: () => (elapsedMs += 1000),
  sleep: () => new Promise<void>(() => {}),
};

function api(options: Partial<FleetApiOptions> = {}) {
  const registry = new FakeRegistry();
  const handler = asDescribed(fleetApi(registry, { version: "1.0.0", clock: stillClock, ...options }));
  const request = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const response = await handler(
      new Request(`http://fleet${path}`, {
        method,
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        headers: headers ?? (method === "PUT" ? { "Content-Type": "application/json" } : {}),
      }),
    );
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, message: messageOf(text) };
  };
  return { registry, handler, request };
}

function messageOf(text: string): string | undefined {
  const body: unknown = text.startsWith("{") ? JSON.parse(text) : undefined;
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body as { error: { message: string } };
  return error.message;
}

test("every step of PUT has the status and the message of fleet v1.0.0", async () => {
  const { request } = api();
  const put = (name: string, body: unknown, headers?: Record<string, string>) =>
    request("PUT", `/fleet/v1/units/${name}`, body, headers);
  const rows: readonly [string, unknown, Record<string, string> | undefined, number, string | undefined][] = [
    [
      "a.service",
      "{}",
      { "Content-Type": "text/html" },
      415,
      "only acceptable Content-Type is application/json",
    ],
    [
      "a.service",
      "{}",
      { "Content-Type": "application/json, text/html" },
      415,
      "expected 1 Content-Type, got 2",
    ],
    ["a.service", "", undefined, 400, "unable to decode body: EOF"],
    ["a.service", "[]", undefined, 400, "unable to decode body: the unit must be a JSON object"],
    [
      "a.service",
      { name: "b.service" },
      undefined,
      400,
      'name in URL "a.service" differs from unit name in request body "b.service"',
    ],
    ["a", {}, undefined, 400, 'unit name must contain "."'],
    ["a%20b.service", { options: sleep101 }, undefined, 400, "invalid character ' ' in unit name"],
    [
      "a.service",
      { desiredState: "launched" },
      undefined,
      409,
      "unit does not exist and options field empty",
    ],
    [
      "a.service",
      {
        options: [
          ...sleep101,
          { section: "X-Fleet", name: "MachineID", value: one },
          { section: "X-Fleet", name: "Global", value: "true" },
        ],
      },
      undefined,
      400,
      "MachineID cannot be used with Global",
    ],
    [
      "a.service",
      { options: sleep101, desiredState: "bogus" },
      undefined,
      400,
      'invalid desiredState "bogus": use inactive, loaded, launched',
    ],
    [
      "a@.service",
      { options: sleep101, desiredState: "launched" },
      undefined,
      400,
      'cannot activate template "a@.service"',
    ],
    // What is missing counts before what is wrong with the rest.
    ["a@.service", { desiredState: "bogus" }, undefined, 409, "unit does not exist and options field empty"],
    [
      "a.service",
      { options: [{ section: "X-Fleet", name: "Global", value: "1" }, ...machineOfB], desiredState: "bogus" },
      undefined,
      400,
      "Global cannot be used with Peers",
    ],
    ["a.service", { desiredState: 1 }, undefined, 400, "unable to decode body: desiredState must be text"],
    ["a.service", { options: {} }, undefined, 400, "unable to decode body: options must be a list"],
    [
      "a.service",
      { options: [[]] },
      undefined,
      400,
      "unable to decode body: each option must be a JSON object",
    ],
    [
      "a.service",
      { options: [{ value: 1 }] },
      undefined,
      400,
      "unable to decode body: section, name and value of an option must be text",
    ],
    ["a%5Cx2db.service", { Options: null }, undefined, 409, "unit does not exist and options field empty"],
    ["a%5Cx2db.service", { Options: sleep101, DesiredState: "loaded" }, undefined, 201, undefined],
    ["t@.service", { options: sleep101 }, undefined, 201, undefined],
    ["t@.service", {}, undefined, 409, "must provide DesiredState to update existing unit"],
    ["t@.service", { desiredState: "loaded" }, undefined, 400, 'cannot activate template "t@.service"'],
    ["t@.service", { desiredState: "inactive" }, undefined, 204, undefined],
    ["a.service", { options: sleep101, name: "a.service", unknown: 1 }, undefined, 201, undefined],
    ["a.service", { options: sleep101 }, undefined, 409, "must provide DesiredState to update existing unit"],
    [
      "a.service",
      { desiredState: "bogus" },
      undefined,
      400,
      'invalid desiredState "bogus": use inactive, loaded, launched',
    ],
    [
      "a.service",
      { desiredState: "launched" },
      { "Content-Type": "application/json; charset=utf-8" },
      204,
      undefined,
    ],
    ["a.service", { options: sleep101, desiredState: "loaded" }, undefined, 204, undefined],
    ["a.service", { options: sleep102 }, undefined, 201, undefined],
  ];
  for (const [name, body, headers, status, message] of rows) {
    const answer = await put(name, body, headers);
    assert.deepEqual([answer.status, answer.message], [status, message], JSON.stringify([name, body]));
  }
});

test("a PUT without a content type is refused", async () => {
  const { handler } = api();
  const request = new Request("http://fleet/fleet/v1/units/a.service", {
    method: "PUT",
    body: new Uint8Array([123, 125]),
  });
  const response = await handler(request);
  assert.equal(response.status, 415);
  assert.match(await response.text(), /expected 1 Content-Type, got 0/);
});

test("new options without a desired state take the unit down; a bad replacement is refused and changes nothing", async () => {
  const { request, registry } = api();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  assert.equal(registry.view().units.get("a.service")?.hash, "3adfef73186060afe14c40321f37c0e224085695");
  const bad = [
    { section: "X-Fleet", name: "MachineOf", value: "b.service" },
    { section: "X-Fleet", name: "Global", value: "yes" },
  ];
  const refused = await request("PUT", "/fleet/v1/units/a.service", {
    options: bad,
    desiredState: "launched",
  });
  assert.deepEqual([refused.status, refused.message], [400, "Global cannot be used with Peers"]);
  assert.equal(registry.view().units.get("a.service")?.target, "launched");
  assert.equal((await request("PUT", "/fleet/v1/units/a.service", { options: sleep102 })).status, 201);
  assert.equal(registry.view().units.get("a.service")?.target, "inactive");
});

test("an option cannot smuggle in others, and honest continuations pass", async () => {
  const { request, registry } = api();
  const put = (name: string, option: object) =>
    request("PUT", `/fleet/v1/units/${name}`, { options: [option] });
  for (const [index, option] of [
    { section: "Service", name: "ExecStart", value: "/bin/a\nExecStartPost=/bin/evil" },
    { section: "Service", name: "ExecStart", value: "/bin/a\n[Install]" },
    { section: "Service", name: "A=B", value: "c" },
    { section: "Service]\nUser=root\n[X", name: "A", value: "b" },
    { section: "Service", name: "#A", value: "b" },
  ].entries()) {
    assert.equal((await put(`bad${index}.service`, option)).status, 400, JSON.stringify(option));
  }
  const option = { section: "Service", name: "ExecStart", value: "/bin/a \\\n  --flag" };
  assert.equal((await put("good.service", option)).status, 201);
  assert.equal(registry.view().units.get("good.service")?.text, "[Service]\nExecStart=/bin/a \\\n  --flag\n");
});

test("what is stored reads back as the options that were sent, or the request was refused", async () => {
  const text = fc.string({
    maxLength: 8,
    unit: fc.constantFrom("a", "B", "=", " ", "\n", "\\", "[", "]", "#", ";", "\r"),
  });
  const option = fc.record({ section: text, name: text, value: text });
  await fc.assert(
    fc.asyncProperty(fc.array(option, { minLength: 1, maxLength: 4 }), async (options) => {
      const { request } = api();
      const answer = await request("PUT", "/fleet/v1/units/a.service", { options });
      if (answer.status !== 201) {
        assert.equal(answer.status, 400);
        return;
      }
      const { text: body } = await request("GET", "/fleet/v1/units/a.service");
      const stored = (JSON.parse(body) as { options: object[] }).options;
      assert.equal(stored.length, options.length);
      assert.equal((await request("PUT", "/fleet/v1/units/a.service", { options: stored })).status, 409);
    }),
  );
});

test("a unit shows where it is and how far it is", async () => {
  const { request, registry } = api();
  await request("PUT", "/v1-alpha/units/a.service", { options: sleep101, desiredState: "launched" });
  const get = async () => (await request("GET", "/fleet/v1/units/a.service")).text;
  const options =
    '"name":"a.service","options":[{"name":"ExecStart","section":"Service","value":"/bin/sleep 101"}]}';
  assert.equal(await get(), `{"currentState":"inactive","desiredState":"launched",${options}`);
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one, reached: "loaded", active: "inactive", sub: "dead" });
  assert.equal(
    await get(),
    `{"currentState":"loaded","desiredState":"launched","machineID":"${one}",${options}`,
  );
  registry.setState({ unit: "a.service", machine: one });
  assert.equal(
    await get(),
    `{"currentState":"launched","desiredState":"launched","machineID":"${one}",${options}`,
  );
});

test("a global unit has no current state of its own, and the list calls it inactive", async () => {
  const { request } = api();
  const options = [...sleep101, { section: "X-Fleet", name: "Global", value: "true" }];
  await request("PUT", "/fleet/v1/units/g.service", { options, desiredState: "launched" });
  assert.doesNotMatch((await request("GET", "/fleet/v1/units/g.service")).text, /currentState/);
  assert.match((await request("GET", "/fleet/v1/units")).text, /^\{"units":\[\{"currentState":"inactive"/);
});

test("states: of one unit, filtered, and empty for a known unit without one", async () => {
  const { request, registry } = api();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  assert.deepEqual((await request("GET", "/fleet/v1/state/a.service")).text, "{}");
  const missing = await request("GET", "/fleet/v1/state/b.service");
  assert.deepEqual([missing.status, missing.message], [404, "unit state does not exist"]);
  registry.setPlacement("a.service", two);
  registry.setState({ unit: "a.service", machine: one, active: "deactivating", sub: "stop-sigterm" });
  registry.setState({ unit: "a.service", machine: two });
  const hash = "3adfef73186060afe14c40321f37c0e224085695";
  const stateOf = (machine: string, active: string, sub: string) =>
    `{"hash":"${hash}","machineID":"${machine}","name":"a.service","systemdActiveState":"${active}",` +
    `"systemdLoadState":"loaded","systemdSubState":"${sub}"}`;
  assert.equal((await request("GET", "/fleet/v1/state/a.service")).text, stateOf(two, "active", "running"));
  const filtered = await request("GET", `/fleet/v1/state?unitName=a.service&machineID=${one}&alt=json`);
  assert.equal(filtered.text, `{"states":[${stateOf(one, "deactivating", "stop-sigterm")}]}`);
  assert.equal((await request("GET", "/fleet/v1/state?machineID=11")).text, "{}");
});

test("lists come in pages", async () => {
  const { request, registry } = api({ tokenLimit: 2 });
  for (const id of ["c", "a", "b"])
    registry.setMachine({ id: id.repeat(32), address: `10.0.0.${id.charCodeAt(0) - 96}` });
  const first = await request("GET", "/fleet/v1/machines");
  assert.equal(
    first.text,
    `{"machines":[{"id":"${"a".repeat(32)}","primaryIP":"10.0.0.1"},{"id":"${"b".repeat(32)}","primaryIP":"10.0.0.2"}],"nextPageToken":"AgACAA=="}`,
  );
  const second = await request("GET", "/fleet/v1/machines?nextPageToken=AgACAA%3D%3D");
  assert.equal(second.text, `{"machines":[{"id":"${"c".repeat(32)}","primaryIP":"10.0.0.3"}]}`);
  const bad = await request("GET", "/fleet/v1/machines?nextPageToken=EwBMLg==");
  assert.deepEqual([bad.status, bad.message], [400, "token limit must be 2"]);
  assert.equal(bad.headers.get("content-type"), "application/json");
  assert.equal((await request("GET", "/fleet/v1/units")).text, "{}");
});

test("metadata is set in both shapes and removed; what is bad changes nothing", async () => {
  const { request, registry } = api();
  registry.setMachine({ id: one });
  const patch = (body: unknown) => request("PATCH", "/fleet/v1/machines", body);
  const path = `/${one}/metadata/region`;
  const added = await patch([
    { op: "add", path, value: "eu" },
    { op: "replace", path: `/${one}/metadata/disk`, Value: { value: "ssd" } },
  ]);
  assert.deepEqual(
    [added.status, added.text, added.headers.get("content-type")],
    [204, "", "application/json"],
  );
  assert.equal(
    (await request("GET", "/fleet/v1/machines")).text,
    `{"machines":[{"id":"${one}","metadata":{"disk":"ssd","region":"eu"}}]}`,
  );
  const rows: readonly [unknown, string][] = [
    [
      [
        { op: "remove", path },
        { op: "noop", path },
      ],
      "invalid op: expect add, remove, or replace",
    ],
    [[{ op: "add", path: "/x/foo/bar", value: "1" }], "machine metadata path invalid"],
    [[{ op: "add", path, value: "" }], "invalid value: add and replace require a value"],
    [[{ op: "add", path: `/${one}/metadata/a b`, value: "1" }], "machine metadata path invalid"],
    [[{ op: "add", path: `/${one}/metadata/a/b`, value: "1" }], "machine metadata path invalid"],
    [[{ op: "add", value: "1" }], "machine metadata path invalid"],
    [[{ path, value: "1" }], "invalid op: expect add, remove, or replace"],
    [[{ op: "replace", path, value: { value: "" } }], "invalid value: add and replace require a value"],
    [[{ op: "replace", path }], "invalid value: add and replace require a value"],
    [{ op: "add", path, value: "1" }, "the body must be a list of operations"],
    [["add"], "each operation must be a JSON object"],
    ["", "EOF"],
  ];
  for (const [body, message] of rows) {
    const refused = await patch(body);
    assert.deepEqual([refused.status, refused.message], [400, message]);
  }
  assert.match((await request("GET", "/fleet/v1/machines")).text, /region/);
  assert.equal((await patch([{ op: "remove", path }])).status, 204);
  assert.doesNotMatch((await request("GET", "/fleet/v1/machines")).text, /region/);
  assert.equal((await patch([])).status, 204);
});

test("units are deleted once", async () => {
  const { request } = api();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101 });
  const answer = await request("DELETE", "/fleet/v1/units/a.service");
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.equal((await request("DELETE", "/fleet/v1/units/a.service")).message, "unit does not exist");
  assert.equal((await request("GET", "/fleet/v1/units/a.service")).status, 404);
});

test("other methods and other paths are refused as fleet v1.0.0 does", async () => {
  const { request } = api();
  const rows: readonly [string, string, number, string][] = [
    ["GET", "/", 405, ""],
    ["GET", "/fleet/v1", 405, ""],
    ["GET", "/fleet/v1/", 404, ""],
    ["GET", "/fleet/v1/units/", 404, ""],
    ["GET", "/fleet/v1/units/a/b", 404, ""],
    ["GET", "/fleet/v1/units/a.service/", 404, ""],
    ["GET", "/fleet/v1/machines/", 404, ""],
    ["GET", "/fleet/v1/machines/x", 404, ""],
    ["GET", "/fleet/v1/state/", 404, ""],
    ["GET", "/fleet/v1/discovery/", 404, ""],
    ["PUT", "/fleet/v1/elsewhere", 404, ""],
    ["GET", "/fleet/v2/units", 404, ""],
    ["GET", "/v1-alpha", 405, ""],
    ["GET", "/v1-alpha/", 404, ""],
    ["PATCH", "/v1-alpha/units", 405, "only GET supported against this resource"],
    ["GET", "/elsewhere", 404, ""],
    ["POST", "/fleet/v1/discovery", 400, "only HTTP GET supported against this resource"],
    ["POST", "/fleet/v1/machines", 405, "only GET and PATCH supported against this resource"],
    ["DELETE", "/fleet/v1/units", 405, "only GET supported against this resource"],
    ["POST", "/fleet/v1/units/a.service", 405, "only GET, PUT and DELETE supported against this resource"],
    ["OPTIONS", "/fleet/v1/state", 405, "only GET supported against this resource"],
    ["PUT", "/fleet/v1/state/a.service", 405, "only GET supported against this resource"],
  ];
  for (const [method, path, status, message] of rows) {
    const answer = await request(method, path);
    assert.deepEqual([answer.status, answer.message], [status, message], `${method} ${path}`);
    assert.equal(answer.headers.get("server"), "fleetd/1.0.0");
  }
  assert.equal((await request("HEAD", "/fleet/v1/units")).status, 405);
});

test("the discovery document names all methods", async () => {
  const { request } = api();
  const { text } = await request("GET", "/fleet/v1/discovery");
  for (const id of [
    "Machine.List",
    "Unit.List",
    "Unit.Get",
    "Unit.Delete",
    "Unit.Set",
    "UnitState.Get",
    "UnitState.List",
  ]) {
    assert.ok(text.includes(`"fleet.${id}"`), id);
  }
});

test("a machine that is not registered answers 503 to everything", async () => {
  const handler = fleetApi(undefined, { version: "1.0.0", clock: stillClock });
  const response = await handler(new Request("http://fleet/anything"));
  assert.equal(response.status, 503);
  assert.equal(messageOf(await response.text()), "fleet server unable to communicate with etcd");
  assert.equal(response.headers.get("server"), null);
});

test("a body above the limit is refused with one sentence, announced or not", async () => {
  const { request, handler } = api();
  const big = await request("PUT", "/fleet/v1/units/a.service", "x".repeat(1024 * 1024 + 1));
  assert.equal(big.status, 413);
  assert.equal(big.message, "the request body is larger than 1048576 bytes; send a smaller unit");
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
  const init = {
    method: "PUT",
    body: endless,
    duplex: "half",
    headers: { "Content-Type": "application/json" },
  };
  const response = await handler(new Request("http://fleet/fleet/v1/units/a.service", init as RequestInit));
  assert.equal(response.status, 413);
});

test("a request for changes is answered when a unit it names changes, and not before", async () => {
  const { request, registry } = api();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  const ask = async (after: number) => {
    const { text } = await request("GET", `/argosy/v1/changes?after=${after}&unit=a.service&unit=b.service`);
    return JSON.parse(text) as { revision: number; units: { name: string; [key: string]: unknown }[] };
  };
  const first = await ask(0);
  assert.deepEqual(
    first.units.map((unit) => unit.name),
    ["a.service", "b.service"],
  );
  let answered = false;
  const waiting = ask(first.revision).then((changes) => {
    answered = true;
    return changes;
  });
  await new Promise(setImmediate);
  registry.setMachine({ id: one, address: "10.0.0.1" });
  await new Promise(setImmediate);
  assert.equal(answered, false);
  registry.setPlacement("a.service", [{ machine: one, why: "too full" }]);
  const second = await waiting;
  assert.deepEqual(second.units, [
    {
      name: "a.service",
      desiredState: "launched",
      hash: "3adfef73186060afe14c40321f37c0e224085695",
      currentState: "inactive",
      global: false,
      waiting: [{ machine: { id: one, address: "10.0.0.1" }, why: "too full" }],
      states: [],
    },
  ]);
  registry.setPlacement("a.service", one);
  registry.setState({
    unit: "a.service",
    machine: one,
    active: "failed",
    sub: "failed",
    result: "exit-code",
  });
  const third = await ask(second.revision);
  assert.deepEqual(third.units[0]?.states, [
    {
      machine: { id: one, address: "10.0.0.1" },
      hash: "3adfef73186060afe14c40321f37c0e224085695",
      load: "loaded",
      active: "failed",
      sub: "failed",
      reached: "launched",
      result: "exit-code",
    },
  ]);
});

test("a request for changes can name its units in a body, and says what is wrong with it", async () => {
  const { request, registry } = api();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101 });
  const { text } = await request("POST", "/argosy/v1/changes", { units: ["a.service"] });
  assert.deepEqual(JSON.parse(text), {
    revision: registry.view().revision,
    units: [
      {
        name: "a.service",
        desiredState: "inactive",
        hash: "3adfef73186060afe14c40321f37c0e224085695",
        currentState: "inactive",
        global: false,
        states: [],
      },
    ],
  });
  const wrongAfter = "after must be a revision, or 0 for what is so now";
  const rows: readonly [unknown, string][] = [
    ["", "unable to decode body: EOF"],
    ["[]", "the body must be a JSON object"],
    [{}, "name between 1 and 10000 units"],
    [{ units: "a.service" }, "name between 1 and 10000 units"],
    [{ units: [] }, "name between 1 and 10000 units"],
    [{ units: Array.from({ length: 10_001 }, () => "a.service") }, "name between 1 and 10000 units"],
    [{ units: [1] }, "each unit must be named by a text"],
    [{ units: ["a.service"], after: -1 }, wrongAfter],
    [{ units: ["a.service"], after: 1.5 }, wrongAfter],
    [{ units: ["a.service"], after: "1" }, wrongAfter],
  ];
  for (const [body, message] of rows) {
    const refused = await request("POST", "/argosy/v1/changes", body);
    assert.deepEqual([refused.status, refused.message], [400, message]);
  }
  assert.equal((await request("GET", "/argosy/v1/changes?unit=a.service&after=x")).message, wrongAfter);
  assert.equal(
    (await request("PUT", "/argosy/v1/changes")).message,
    "only GET and POST supported against this resource",
  );
});

test("a request for changes ends empty when its time is over", async () => {
  const limit = Promise.withResolvers<void>();
  const never = new Promise<void>(() => {});
  const clock = { ...stillClock, sleep: (ms: number) => (ms === 30_000 ? limit.promise : never) };
  const { request, registry } = api({ clock });
  const asked = request("GET", `/argosy/v1/changes?after=${registry.view().revision}&unit=a.service`);
  await new Promise(setImmediate);
  limit.resolve();
  assert.equal((await asked).text, '{"revision":1,"units":[]}');
});

test("status and journal come from the machine the unit is on", async () => {
  const asked: string[] = [];
  const { request, registry } = api({
    machines: {
      local: {
        id: one,
        status: async (unit) => ({ text: `${unit} is here\n`, exitCode: 3 }),
        journal: (unit, options) => new Blob([`${unit} ${options.lines} ${options.output}\n`]).stream(),
      },
      fetchMachine: async (machine, path) => {
        asked.push(path);
        return new Response(`from ${machine.slice(0, 2)}\n`, { headers: { "Argosy-Exit-Code": "0" } });
      },
    },
  });
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).status, 404);
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).status, 409);
  registry.setPlacement("a.service", one);
  const here = await request("GET", "/argosy/v1/units/a.service/status");
  assert.deepEqual([here.text, here.headers.get("argosy-exit-code")], ["a.service is here\n", "3"]);
  const journal = await request("GET", "/argosy/v1/units/a.service/journal?lines=5&output=cat");
  assert.equal(journal.text, "a.service 5 cat\n");
  assert.equal((await request("GET", "/argosy/v1/units/a.service/journal?output=evil")).status, 400);
  assert.equal((await request("GET", "/argosy/v1/units/a.service/journal?lines=-1")).status, 400);
  registry.setPlacement("a.service", two);
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).text, "from 22\n");
  assert.deepEqual(asked, [`/argosy/v1/units/a.service/status?machine=${two}`]);
  const options = [...sleep101, { section: "X-Fleet", name: "Global", value: "true" }];
  await request("PUT", "/fleet/v1/units/g.service", { options, desiredState: "launched" });
  registry.setState({ unit: "g.service", machine: one });
  registry.setState({ unit: "g.service", machine: two });
  const both = await request("GET", "/argosy/v1/units/g.service/status");
  assert.deepEqual(
    [both.text, both.headers.get("argosy-exit-code")],
    ["g.service is here\n\nfrom 22\n", "3"],
  );
  const lines = (await request("GET", "/argosy/v1/units/g.service/journal")).text.split("\n").toSorted();
  assert.deepEqual(lines, ["", "from 22", "g.service 10 short"]);
});
