import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { fleetApi } from "./api-server.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { asDescribed } from "./openapi-check.ts";

const one = "1".repeat(32);
const two = "2".repeat(32);

test("a journal is told from one instant to another, by the clock of the unit's machine", async () => {
  const asked: string[] = [];
  const registry = new FakeRegistry();
  const { clock } = new FakeEnv();
  const nowMs = clock.now();
  const api = asDescribed(
    fleetApi(registry, {
      version: "1.0.0",
      clock,
      machines: {
        local: {
          id: one,
          status: async () => ({ text: "", exitCode: 0 }),
          journal: (_unit, { sinceMs, endMs }) => new Blob([`${sinceMs} to ${endMs}`]).stream(),
        },
        fetchMachine: async (_machine, path) => {
          asked.push(path);
          return new Response("there", { headers: { "Argosy-Journal-End": "6000000" } });
        },
      },
    }),
  );
  const journal = async (query: string) => {
    const path = "http://fleet/argosy/v1/units/a.service/journal";
    const answer = await api(new Request(`${path}?${query}`));
    return [answer.status, await answer.text(), answer.headers.get("argosy-journal-end")];
  };
  const end = String(nowMs - 200);
  const here = `machine=${one}`;
  assert.deepEqual(await journal(`${here}&older=200`), [200, `undefined to ${end}`, end]);
  assert.deepEqual(await journal(`${here}&within=3000&older=200`), [200, `${nowMs - 3000} to ${end}`, end]);
  assert.deepEqual(await journal(`${here}&since=7&within=1&follow=true`), [200, "7 to undefined", null]);
  for (const wrong of ["since=now", "older=-1", "within=1.5", "older=200&follow=true"])
    assert.equal((await journal(`${here}&${wrong}`))[0], 400, wrong);
  assert.deepEqual(await journal(`machine=${two}&since=7&older=200`), [200, "there", "6000000"]);
  assert.match(asked.join(), /[?&]since=7&older=200&/);
});
