import assert from "node:assert/strict";
import { test } from "node:test";
import { apiRequest, stillClock, testApi } from "./api-fixture.ts";
import { fleetApi } from "./api-server.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { FleetMetrics } from "./metrics.ts";
import { asDescribed } from "./openapi-check.ts";

const options = '"options":[{"section":"Service","name":"ExecStart","value":"/bin/true"}]';

function api() {
  const { registry, request } = testApi();
  const ask = async (method: string, path: string, body?: string, type = "application/json") => {
    const answer = await request(method, path, body, { "Content-Type": type });
    return { answer, message: answer.message };
  };
  return { registry, request: ask };
}

test("an escaped slash is a slash, and two of them in a row lead to the path with one", async () => {
  const { request } = api();
  for (const [method, path] of [
    ["GET", "/fleet/v1/units/a%2Fb.service"],
    ["PUT", "/fleet/v1/units/a%2fb.service"],
    ["GET", "/v1-alpha/state/a%2Fb.service"],
  ] as const) {
    const { answer, message } = await request(method, path, method === "PUT" ? `{${options}}` : undefined);
    assert.deepEqual([answer.status, message], [404, ""], `${method} ${path}`);
  }
  for (const [path, location] of [
    ["//fleet/v1/units?alt=json&x=//", "/fleet/v1/units?alt=json&x=//"],
    ["/fleet/v1//units///a.service", "/fleet/v1/units/a.service"],
  ] as const) {
    const { answer } = await request("GET", path);
    assert.deepEqual([answer.status, answer.headers.get("location")], [301, location], path);
    assert.equal(answer.headers.get("server"), "fleetd/1.0.0");
  }
  assert.equal((await request("GET", "/fleet/v1/units?x=//&y=a%2Fb")).answer.status, 200);
});

test("what Go's decoder takes for nothing says nothing", async () => {
  const { request } = api();
  const name = "/fleet/v1/units/a.service";
  const cases: readonly (readonly [string, string, string, number, string | undefined])[] = [
    ["PUT", name, "null", 409, "unit does not exist and options field empty"],
    ["PUT", name, "1", 400, "unable to decode body: the unit must be a JSON object"],
    ["PUT", name, `{${options}`, 400, "unable to decode body: unexpected EOF"],
    ["PUT", name, '{"name":"a', 400, "unable to decode body: unexpected EOF"],
    ["PUT", name, `{"name":null,"desiredState":null,${options}}`, 201, undefined],
    ["PATCH", "/fleet/v1/machines", "null", 204, undefined],
    ["PATCH", "/fleet/v1/machines", "[null]", 400, "invalid op: expect add, remove, or replace"],
    ["PATCH", "/fleet/v1/machines", "[", 400, "unexpected EOF"],
  ];
  for (const [method, path, body, status, expected] of cases) {
    const { answer, message } = await request(method, path, body);
    assert.deepEqual([answer.status, message], [status, expected], `${method} ${path} ${body}`);
  }
});

test("a comma in a parameter of the content type makes no second one", async () => {
  const { request } = api();
  const put = (type: string) => request("PUT", "/fleet/v1/units/a.service", `{${options}}`, type);
  assert.equal((await put('application/json; note="a, b"')).answer.status, 201);
  assert.equal((await put("application/json, application/json")).message, "expected 1 Content-Type, got 2");
});

test("half of a pair of UTF-16 is kept as U+FFFD", async () => {
  const { registry, request } = api();
  const body = '{"options":[{"section":"S\\udc00","name":"n","value":"v\\ud800"}]}';
  assert.equal((await request("PUT", "/fleet/v1/units/a.service", body)).answer.status, 201);
  assert.equal(registry.view().units.get("a.service")?.text, "[S\ufffd]\nn=v\ufffd\n");
});

test("metrics are told also while nothing is known about the cluster", async () => {
  const metrics = new FleetMetrics(stillClock);
  const program = () => ({ residentBytes: 1, heapBytes: 2, cpuSeconds: 3, startSeconds: 4 });
  const hold = () => Promise.reject(new Error("no view"));
  const handler = asDescribed(
    fleetApi(new FakeRegistry(), {
      version: "1.0.0",
      clock: stillClock,
      hold,
      metrics: { metrics, program },
    }),
  );
  const answer = await handler(apiRequest("GET", "/metrics"));
  assert.equal(answer.status, 200);
  const text = await answer.text();
  assert.match(text, /^fleet_engine_reconcile_count_total 0$/m);
  assert.match(text, /^# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 3$/m);
  assert.doesNotMatch(text, /argosy_fleet_machines/);
  assert.equal((await handler(apiRequest("GET", "/fleet/v1/machines"))).status, 503);
});
