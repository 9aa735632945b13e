import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { OwnFacts } from "./own-facts.ts";

/** A machine whose address a test moves; its settings are the address that it is to say, or nothing. */
async function machine(publicIp = "") {
  const env = new FakeEnv();
  const network = { address: "10.0.0.1", looks: 0 };
  let changes = 0;
  const source = {
    findAddress: async () => {
      network.looks++;
      return network.address;
    },
    factsOf: async (settings: string, address: string) => ({
      id: "1".repeat(32),
      bootId: "b",
      metadata: {},
      version: "1",
      address: settings === "" ? address : settings,
      api: `http://${address}:49153`,
    }),
  };
  const facts = await OwnFacts.find(env.clock, source, publicIp, () => void changes++);
  return { env, network, facts, changes: () => changes };
}

test("an address that changes is told with the first look that is due", async () => {
  const { env, network, facts, changes } = await machine();
  network.address = "10.0.0.2";
  await facts.lookAgain();
  assert.deepEqual([facts.current.address, changes()], ["10.0.0.1", 0]);
  await env.advance(10_000);
  await facts.lookAgain();
  assert.deepEqual([facts.current.address, facts.current.api], ["10.0.0.2", "http://10.0.0.2:49153"]);
  const looks = network.looks;
  await facts.lookAgain();
  assert.deepEqual([network.looks, changes()], [looks, 1]);
});

test("a machine without an address keeps saying its last one, and one that stays tells nothing", async () => {
  const { env, network, facts, changes } = await machine();
  for (const address of ["", "10.0.0.1"]) {
    network.address = address;
    await env.advance(10_000);
    await facts.lookAgain();
  }
  assert.deepEqual([facts.current.address, changes()], ["10.0.0.1", 0]);
});

test("a network that came late gives a machine its first address", async () => {
  const { env, network, facts } = await machine();
  network.address = "";
  await facts.follow("");
  assert.equal(facts.current.address, "");
  network.address = "10.0.0.7";
  await env.advance(10_000);
  await facts.lookAgain();
  assert.equal(facts.current.address, "10.0.0.7");
});

test("an address that is set stays, and other settings are told at once", async () => {
  const { env, network, facts, changes } = await machine("192.0.2.1");
  network.address = "10.0.0.2";
  await env.advance(10_000);
  await facts.lookAgain();
  assert.deepEqual([facts.current.address, facts.current.api], ["192.0.2.1", "http://10.0.0.2:49153"]);
  await facts.follow("192.0.2.9");
  assert.deepEqual([facts.current.address, changes()], ["192.0.2.9", 2]);
});
