import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { groupedStore } from "../store/grouped-store.ts";
import { openMemoryStore } from "../store/memory.ts";
import { movedStore } from "../store/moved-store.ts";
import { exactly } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { apiRequest } from "./api-fixture.ts";
import { fleetApi } from "./api-server.ts";
import { FakeMachine, fakeTtlMs } from "./fake-machine.ts";
import { asDescribed } from "./openapi-check.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { FakeUnitManager } from "./fake-unit-manager.ts";
import { measuredStore, measuredUnits } from "./measured.ts";
import { Counter, gaugeText, Histogram } from "./metrics-text.ts";
import { FleetMetrics } from "./metrics.ts";

const program = () => ({ residentBytes: 1, heapBytes: 2, cpuSeconds: 3, startSeconds: 4 });

/** The value of one line of Prometheus's text. */
function value(text: string, series: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("counters, gauges and histograms are written as Prometheus reads them", () => {
  const counter = new Counter("a_total", "Help.", [{ type: "x" }]);
  counter.add({ type: 'quote " and \\ and \n end' }, 2);
  assert.equal(
    counter.text(),
    '# HELP a_total Help.\n# TYPE a_total counter\na_total{type="x"} 0\na_total{type="quote \\" and \\\\ and \\n end"} 2\n',
  );
  assert.equal(
    gaugeText({ name: "b", help: "Help.", values: [[{}, 1.5]] }),
    "# HELP b Help.\n# TYPE b gauge\nb 1.5\n",
  );
  const histogram = new Histogram("c_seconds", "Help.", [0.1, 1]);
  for (const ms of [50, 100, 500, 5000]) histogram.observe(ms, { ops: "get" });
  assert.deepEqual(histogram.text().split("\n").slice(2), [
    'c_seconds_bucket{ops="get",le="0.1"} 2',
    'c_seconds_bucket{ops="get",le="1"} 3',
    'c_seconds_bucket{ops="get",le="+Inf"} 4',
    'c_seconds_sum{ops="get"} 5.65',
    'c_seconds_count{ops="get"} 4',
    "",
  ]);
});

test("GET /metrics has every name of fleet v1.0.0, and counts requests by what they do", async () => {
  const env = new FakeEnv();
  const metrics = new FleetMetrics(env.clock);
  const registry = new FakeRegistry();
  registry.setMachine({ id: "1".repeat(32) });
  const api = asDescribed(
    fleetApi(registry, { version: "1", clock: env.clock, metrics: { metrics, program } }),
  );
  const send = async (method: string, path: string, body?: unknown): Promise<Response> =>
    await api(apiRequest(method, path, body));
  const options = [{ section: "Service", name: "ExecStart", value: "/bin/true" }];
  await send("PUT", "/fleet/v1/units/a.service", { desiredState: "launched", options });
  for (const path of [
    "/fleet/v1/units",
    "/v1-alpha/state",
    "/fleet/v1/machines",
    "/fleet/v1/units/a.service",
    "/none",
  ])
    await send("GET", path);
  await send("DELETE", "/fleet/v1/units/none.service");
  const response = await send("GET", "/metrics");
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  const expected: readonly (readonly [string, number])[] = [
    ["fleet_engine_leader_start_time", 0],
    ['fleet_engine_task_count_total{type="unscheduleunit"}', 0],
    ['fleet_engine_task_count_total{type="attemptscheduleunit"}', 0],
    ['fleet_engine_task_failure_count_total{type="attemptscheduleunit"}', 0],
    ["fleet_engine_reconcile_count_total", 0],
    ['fleet_engine_reconcile_failure_count_total{type="machine_away"}', 0],
    ['fleet_engine_reconcile_failure_count_total{type="run"}', 0],
    ['fleet_engine_reconcile_failure_count_total{type="schedule"}', 0],
    ['fleet_registry_operation_count_total{type="get"}', 1],
    ['fleet_registry_operation_count_total{type="get_all"}', 3],
    ['fleet_registry_operation_count_total{type="set"}', 2],
    ['fleet_registry_operation_failed_count_total{type="set"}', 0],
    ['fleet_registry_operation_duration_second_count{ops="set"}', 2],
    ['argosy_fleet_api_requests_total{method="GET",code="404"}', 1],
    ['argosy_fleet_units{target="launched"}', 1],
    ["argosy_fleet_machines", 1],
    ["process_resident_memory_bytes", 1],
  ];
  for (const [series, count] of expected) assert.equal(value(text, series), count, series);
  assert.match(text, /^# TYPE fleet_engine_reconcile_duration_second histogram$/m);
  assert.equal((await send("POST", "/metrics")).status, 405);
});

test("the engine counts passes, placements, and units it cannot leave alone or place", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2].map((number) => new FakeMachine(env, store, number));
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const [first, second] = machines;
  assert.ok(first && second);
  const submit = async (name: string, text: string): Promise<void> => {
    await first.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);
  };
  const seen = (series: string): number | undefined =>
    value(first.metrics.text(undefined, undefined), series);
  await submit("a.service", "[Service]\nExecStart=/bin/true\n");
  await submit("b.service", "[Service]\nExecStart=/bin/true\n");
  assert.equal(seen('fleet_engine_task_count_total{type="attemptscheduleunit"}'), 2);
  assert.equal(seen("argosy_fleet_placement_latency_seconds_count"), 2);
  assert.equal(seen('fleet_engine_reconcile_failure_count_total{type="schedule"}'), 0);
  await submit("c.service", "[X-Fleet]\nMachineID=nowhere\n");
  assert.equal(seen('fleet_engine_reconcile_failure_count_total{type="schedule"}'), 1);
  const passes = seen("fleet_engine_reconcile_count_total") ?? 0;
  assert.ok(passes >= 3);
  assert.equal(seen("fleet_engine_reconcile_duration_second_count"), passes);
  const start = seen("fleet_engine_leader_start_time") ?? 0;
  assert.ok(start > 0 && start <= env.clock.now() / 1000);
  await second.crash();
  await env.advance(fakeTtlMs + 1000);
  assert.equal(seen('fleet_engine_reconcile_failure_count_total{type="machine_away"}'), 1);
  assert.equal(seen('fleet_engine_task_count_total{type="unscheduleunit"}'), 1);
  await first.crash();
  assert.equal(seen("fleet_engine_leader_start_time"), 0);
  await store.close();
});

test("a watch that is counted still tells which store it goes on from", () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const asked: unknown[] = [];
  const signal = new AbortController().signal;
  const noting: Store = {
    ...groupedStore(memory),
    watch: (...words) => {
      asked.push(words);
      return memory.watch(...words);
    },
  };
  measuredStore(noting, new FleetMetrics(env.clock)).watch(exactly("/a"), 3, signal, "this-one");
  movedStore(noting, [{ seen: "/a", kept: "/b" }]).watch(exactly("/a"), 3, signal, "this-one");
  assert.deepEqual(asked, [
    [exactly("/a"), 3, signal, "this-one"],
    [exactly("/b"), 3, signal, "this-one"],
  ]);
});

test("requests to the store and batches for systemd are counted with what became of them", async () => {
  const env = new FakeEnv();
  const metrics = new FleetMetrics(env.clock);
  const store = measuredStore(openMemoryStore(env), metrics);
  await store.read(exactly("/a"));
  await store.commit({ when: [], then: [{ do: "put", key: "/a", value: "1" }] });
  await assert.rejects(store.renewLease("none"));
  const fake = new FakeUnitManager(env);
  const units = measuredUnits(fake, metrics);
  await units.load([{ name: "a.service", text: "[Service]\nExecStart=/bin/true\n" }]);
  fake.refuse("start", "a.service", "no");
  await units.start(["a.service"]);
  const broken = measuredUnits(
    { ...units, list: () => Promise.reject(new Fault("manager-unavailable", "gone")) },
    metrics,
  );
  await assert.rejects(broken.list());
  const text = metrics.text(undefined, undefined);
  const expected: readonly (readonly [string, number])[] = [
    ['argosy_fleet_store_operations_total{operation="read",outcome="done"}', 1],
    ['argosy_fleet_store_operations_total{operation="commit",outcome="done"}', 1],
    ['argosy_fleet_store_operations_total{operation="renew-lease",outcome="store-lease-gone"}', 1],
    ['argosy_fleet_store_operation_duration_seconds_count{operation="commit"}', 1],
    ['argosy_fleet_agent_steps_total{step="load",outcome="done"}', 1],
    ['argosy_fleet_agent_steps_total{step="start",outcome="failed"}', 1],
    ['argosy_fleet_systemd_call_failures_total{operation="list"}', 1],
  ];
  for (const [series, count] of expected) assert.equal(value(text, series), count, series);
  await store.close();
});

test("what can be counted is shown as nothing before the first time, so that a rate sees that one", () => {
  const metrics = new FleetMetrics(new FakeEnv().clock);
  const text = metrics.text(new FakeRegistry().view(), undefined);
  for (const series of [
    "fleet_engine_reconcile_duration_second_count",
    'fleet_engine_reconcile_duration_second_bucket{le="+Inf"}',
    'fleet_registry_operation_duration_second_count{ops="get_all"}',
    "argosy_fleet_placement_latency_seconds_sum",
    'argosy_fleet_agent_steps_total{step="start",outcome="failed"}',
    'argosy_fleet_systemd_call_failures_total{operation="unload"}',
    'argosy_fleet_unit_states{active="failed"}',
  ])
    assert.equal(value(text, series), 0, series);
});
