import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetApi } from "./api-server.ts";
import { messageOf, stillClock, testApi } from "./api-fixture.ts";

const one = "1".repeat(32);
const two = "2".repeat(32);
const sleep101 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 101" }];

test("a unit shows where it is and how far it is", async () => {
  const { request, registry } = testApi();
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
  const { request } = testApi();
  const options = [...sleep101, { section: "X-Fleet", name: "Global", value: "true" }];
  await request("PUT", "/fleet/v1/units/g.service", { options, desiredState: "launched" });
  assert.doesNotMatch((await request("GET", "/fleet/v1/units/g.service")).text, /currentState/);
  assert.match((await request("GET", "/fleet/v1/units")).text, /^\{"units":\[\{"currentState":"inactive"/);
});

test("states: of one unit, filtered, and empty for a known unit without one", async () => {
  const { request, registry } = testApi();
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
  const { request, registry } = testApi({ tokenLimit: 2 });
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
  const { request, registry } = testApi();
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
  const { request } = testApi();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101 });
  const answer = await request("DELETE", "/fleet/v1/units/a.service");
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.equal((await request("DELETE", "/fleet/v1/units/a.service")).message, "unit does not exist");
  assert.equal((await request("GET", "/fleet/v1/units/a.service")).status, 404);
});

test("other methods and other paths are refused as fleet v1.0.0 does", async () => {
  const { request } = testApi();
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
  const { request } = testApi();
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
  const { request, handler } = testApi();
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
