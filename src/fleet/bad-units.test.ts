import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { parseUnitFile } from "../unit/parse.ts";
import { apiRequest } from "./api-fixture.ts";
import { fleetApi } from "./api-server.ts";
import { badUnits } from "./bad-units.ts";
import { FakeMachine } from "./fake-machine.ts";
import { asDescribed } from "./openapi-check.ts";

// Whatever is sent as a unit: no answer is the server's fault, no agent stops working, and no other unit notices.

const countOfUnits = 1000;
const well = "[Service]\nExecStart=/bin/sleep 1000\n";

test("1,000 random and mutated units get no answer above 499, wedge no agent and disturb no other unit", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2].map((number) => new FakeMachine(env, store, number));
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const [first] = machines;
  assert.ok(first);
  const api = asDescribed(fleetApi(first.registry, { version: "1", clock: env.clock }));
  const send = async (method: string, name: string, body?: unknown): Promise<number> => {
    const path = `/fleet/v1/units/${encodeURIComponent(name.toWellFormed())}`;
    const answer = api(apiRequest(method, path, body));
    // The clock stands still: what a write waits for needs none.
    const response = await answer;
    return response.status;
  };
  const wellOptions = parseUnitFile(well).file;
  const bystander = { options: wellOptions, desiredState: "launched" };
  for (const name of ["by-1.service", "by-2.service"]) assert.equal(await send("PUT", name, bystander), 201);
  await env.advance(5000);
  const running = async (): Promise<string[]> =>
    (await Promise.all(machines.map((each) => each.running()))).flat();
  assert.deepEqual((await running()).filter((name) => name.startsWith("by-")).toSorted(), [
    "by-1.service",
    "by-2.service",
  ]);

  const statuses = new Map<number, number>();
  for (const [index, { name, body }] of badUnits(countOfUnits, 20261122).entries()) {
    const status = await send("PUT", name, body);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    assert.ok(status < 500, `${status} for ${name} ${JSON.stringify(body)}`);
    if (index % 50 === 49) await env.advance(2000);
  }
  assert.deepEqual(
    [...statuses.keys()].toSorted((a, b) => a - b),
    [201, 204, 400, 404, 409],
    JSON.stringify([...statuses]),
  );
  assert.ok((statuses.get(201) ?? 0) > 200, JSON.stringify([...statuses]));

  // What conflicts with everything has to go before the others can be judged.
  for (const name of first.registry.view().units.keys())
    if (!name.startsWith("by-")) assert.equal(await send("DELETE", name), 204, name);
  await env.advance(60_000);
  for (const number of [1, 2, 3, 4])
    assert.equal(await send("PUT", `after-${number}.service`, bystander), 201);
  await env.advance(5000);
  assert.deepEqual((await running()).toSorted(), [
    ...[1, 2, 3, 4].map((number) => `after-${number}.service`),
    "by-1.service",
    "by-2.service",
  ]);
  for (const machine of machines) await machine.crash();
  await store.close();
});
