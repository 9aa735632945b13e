import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import { under } from "../store/range.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { FakeMachine, fakeTtlMs as ttlMs } from "./fake-machine.ts";
import { fleetPrefix } from "./registry.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep 1000\n";

interface TestCluster {
  readonly env: FakeEnv;
  readonly store: Store;
  readonly machines: readonly FakeMachine[];
  readonly submit: (name: string, text: string) => Promise<void>;
  /** Names of running units, machine by machine. */
  readonly picture: () => Promise<string[][]>;
}

async function withCluster(count: number, body: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = Array.from({ length: count }, (_, index) => new FakeMachine(env, store, index + 1));
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const first = machines[0];
  assert.ok(first);
  try {
    await body({
      env,
      store,
      machines,
      async submit(name, text) {
        await first.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
        await env.advance(1000);
      },
      picture: () => Promise.all(machines.map((machine) => machine.running())),
    });
  } finally {
    for (const machine of machines) await machine.crash();
    await store.close();
  }
}

test("units are spread, stopped where they run, and forgotten when destroyed", async () => {
  await withCluster(3, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"], ["web-3.service"]]);

    const registry = machines[1]?.registry;
    await registry?.setTarget("web-2.service", "loaded");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    assert.equal(machines[1]?.units.textOf("web-2.service"), sleeper);

    await registry?.setTarget("web-2.service", "launched");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"], ["web-3.service"]]);

    await registry?.destroy("web-2.service");
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    assert.equal(machines[1]?.units.textOf("web-2.service"), undefined);
    assert.equal(registry?.view().states.has("web-2.service"), false);
  });
});

test("a machine that loses power gives its units up after its time to live, and gets none twice when it returns", async () => {
  await withCluster(3, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    await machines[1]?.powerLoss();
    await env.advance(ttlMs / 2);
    assert.deepEqual(await picture(), [["web-1.service"], [], ["web-3.service"]]);
    await env.advance(ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], [], ["web-3.service"]]);
    machines[1]?.start();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], [], ["web-3.service"]]);
  });
});

test("the engine's own machine may die: another leads, and its units move at once when it leaves in order", async () => {
  await withCluster(3, async ({ env, store, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    const leader = async (): Promise<string | undefined> =>
      (await store.read(under(`${fleetPrefix}engine/`))).entries[0]?.value;
    const first = machines.find(({ id }) => id === "1".repeat(32));
    const led = await leader();
    const leading = machines.findIndex(({ id }) => id === led);
    assert.ok(first && leading >= 0);
    await machines[leading]?.leave();
    await env.advance(1000);
    assert.notEqual(await leader(), led);
    const all = (await picture()).flat();
    assert.deepEqual(all.sort(), ["web-1.service", "web-2.service", "web-3.service"]);
  });
});

test("a machine that left in order and comes back without a reboot runs again what it has to", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    await submit("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\n`);
    await submit("web.service", sleeper);
    assert.deepEqual(await picture(), [["everywhere.service", "web.service"], ["everywhere.service"]]);
    await machines[0]?.leave();
    await env.advance(1000);
    assert.deepEqual(await picture(), [[], ["everywhere.service", "web.service"]]);
    machines[0]?.start();
    await env.advance(1000);
    assert.deepEqual(await picture(), [["everywhere.service"], ["everywhere.service", "web.service"]]);
  });
});

test("a daemon that is killed and started again disturbs nothing", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2]) await submit(`web-${number}.service`, sleeper);
    const before = await picture();
    const calls = machines.map(({ units }) => units.calls.length);
    for (const machine of machines) {
      await machine.crash();
      await env.advance(ttlMs / 4);
      machine.start();
      await env.advance(ttlMs);
    }
    assert.deepEqual(await picture(), before);
    assert.deepEqual(
      machines.map(({ units }) => units.calls.length),
      calls,
    );
  });
});

test("a global unit reaches machines that join later, and conflicting units wait with their reasons", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2, 3].map((number) => new FakeMachine(env, store, number));
  const [one, two, three] = machines;
  assert.ok(one && two && three);
  one.start();
  two.start();
  await env.advance(1000);
  const create = async (name: string, text: string): Promise<void> => {
    await one.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(1000);
  };
  const single = `${sleeper}\n[X-Fleet]\nConflicts=single@*.service\n`;
  await create("everywhere.service", `${sleeper}\n[X-Fleet]\nGlobal=true\n`);
  for (const number of [1, 2, 3]) await create(`single@${number}.service`, single);
  const waiting = one.registry.view().placements.get("single@3.service");
  assert.ok(waiting !== undefined && "waiting" in waiting);
  assert.match(waiting.waiting.map(({ why }) => why).join("; "), /conflict/);
  three.start();
  await env.advance(1000);
  assert.deepEqual(await three.running(), ["everywhere.service", "single@3.service"]);
  for (const machine of machines) await machine.crash();
  await store.close();
});

test("a unit that a machine cannot load is reported, tried again, and delays no other", async () => {
  await withCluster(1, async ({ env, machines, submit, picture }) => {
    const [machine] = machines;
    machine?.units.refuse("load", "broken.service", "no space left on device");
    await submit("broken.service", sleeper);
    await submit("fine.service", sleeper);
    assert.deepEqual(await picture(), [["fine.service"]]);
    const state = machine?.registry.view().states.get("broken.service")?.get(machine.id);
    assert.equal(state?.problem, "no space left on device");
    machine?.units.refuse("load", "broken.service");
    await env.advance(60_000);
    assert.deepEqual(await picture(), [["broken.service", "fine.service"]]);
  });
});

test("a sidekick that comes to its machine before the unit it is bound to starts when that one is there", async () => {
  await withCluster(1, async ({ env, machines, submit, picture }) => {
    const [machine] = machines;
    await submit("sidekick.service", `[Unit]\nBindsTo=main.service\n${sleeper}`);
    await env.advance(100);
    assert.deepEqual(await picture(), [[]]);
    const state = machine?.registry.view().states.get("sidekick.service")?.get(machine.id);
    assert.match(state?.problem ?? "", /main\.service not found/);
    assert.equal(state?.reached, "loaded");
    await submit("main.service", sleeper);
    await env.advance(60_000);
    assert.deepEqual(await picture(), [["main.service", "sidekick.service"]]);
    const after = machine?.registry.view().states.get("sidekick.service")?.get(machine.id);
    assert.equal(after?.problem, undefined);
    assert.equal(after?.reached, "launched");
  });
});

test("a oneshot that has ended and a unit that has failed are not started again", async () => {
  await withCluster(1, async ({ env, machines, submit }) => {
    await submit("once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    await submit("fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n");
    await machines[0]?.crash();
    machines[0]?.start();
    await env.advance(60_000);
    const starts = machines[0]?.units.calls.filter(({ operation }) => operation === "start");
    assert.deepEqual(starts?.flatMap(({ names }) => names).sort(), ["fails.service", "once.service"]);
  });
});

test("a unit whose text changes is updated on its machine", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    await submit("web.service", sleeper);
    const registry = machines[0]?.registry;
    const unit = registry?.view().units.get("web.service");
    assert.ok(registry && unit);
    const text = "[Service]\nExecStart=/bin/sleep 2000\n";
    await registry.replace(
      { name: unit.name, text, hash: hashUnitText(text), target: "launched" },
      unit.revision,
    );
    await env.advance(1000);
    assert.deepEqual(await picture(), [["web.service"], []]);
    assert.equal(machines[0]?.units.textOf("web.service"), text);
  });
});

test("a time to live that was changed counts from the next start of the daemon, and disturbs no unit", async () => {
  await withCluster(2, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2]) await submit(`web-${number}.service`, sleeper);
    const [, second] = machines;
    assert.ok(second);
    await second.crash();
    second.ttlMs = 3 * ttlMs;
    second.start();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service"], ["web-2.service"]]);
    await second.powerLoss();
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service"], []]);
    await env.advance(2 * ttlMs);
    assert.deepEqual(await picture(), [["web-1.service", "web-2.service"], []]);
  });
});

test("a store that comes back empty, or is another cluster's, has no unit stopped", async () => {
  const env = new FakeEnv();
  const lost = openMemoryStore(env);
  const empty = openMemoryStore(env);
  const link = new OutageStore(lost);
  const machine = new FakeMachine(env, link, 1);
  machine.start();
  await env.advance(1000);
  await machine.registry.create({
    name: "web.service",
    text: sleeper,
    hash: hashUnitText(sleeper),
    target: "launched",
  });
  await env.advance(1000);
  link.cut();
  await env.advance(1000);
  link.restore(empty);
  await env.advance(5 * ttlMs);
  assert.deepEqual(await machine.running(), ["web.service"]);
  assert.ok(
    env.lines.some((line) => line.includes("the store is not the one that this machine's units came from")),
  );
  await machine.crash();
  machine.start();
  await env.advance(5 * ttlMs);
  assert.deepEqual(await machine.running(), ["web.service"]);

  await machine.leave();
  machine.start();
  await env.advance(5 * ttlMs);
  assert.deepEqual(await machine.running(), []);
  assert.deepEqual(await machine.units.list(), []);
  await machine.crash();
  await lost.close();
  await empty.close();
});

test("a restart is carried out once where the unit runs, and on every machine for a global unit", async () => {
  await withCluster(2, async ({ env, machines, submit }) => {
    const [one, two] = machines;
    assert.ok(one && two);
    const restarts = (): number[] =>
      machines.map(
        ({ units }) =>
          units.calls.filter(({ operation }) => operation === "restart").flatMap((c) => c.names).length,
      );
    await submit("web.service", sleeper);
    await submit("all.service", `${sleeper}[X-Fleet]\nGlobal=true\n`);

    const { restart } = await two.registry.restart("web.service");
    await env.advance(1000);
    assert.deepEqual(restarts(), [1, 0]);
    assert.equal(one.registry.view().states.get("web.service")?.get(one.id)?.restart, restart);
    await two.registry.restart("all.service");
    await env.advance(1000);
    assert.deepEqual(restarts(), [2, 1]);

    await one.crash();
    one.start();
    await env.advance(ttlMs);
    assert.deepEqual(restarts(), [2, 1], "a new daemon repeats nothing");
    one.units.managerRestarted();
    await env.advance(1000);
    assert.deepEqual(restarts(), [2, 1]);
  });
});

test("a restart that was asked for while a machine's daemon or systemd was away is carried out when it is back", async () => {
  await withCluster(1, async ({ env, machines, submit }) => {
    const [one] = machines;
    assert.ok(one);
    const restarts = (): number => one.units.calls.filter(({ operation }) => operation === "restart").length;
    await submit("web.service", sleeper);
    const { registry } = one;
    one.units.unavailable = true;
    await registry.restart("web.service");
    await env.advance(5_000);
    one.units.unavailable = false;
    await env.advance(60_000);
    assert.equal(restarts(), 1);

    await one.crash();
    await registry.restart("web.service");
    one.start();
    await env.advance(ttlMs);
    assert.equal(restarts(), 2);
    await registry.setTarget("web.service", "loaded");
    await env.advance(1000);
    await assert.rejects(registry.restart("web.service"), /its target state is loaded; start it instead/);
  });
});

test("a unit that fits only the machine that was away is not disturbed by its return", async () => {
  const env = new FakeEnv();
  const memory = openMemoryStore(env);
  const links = [new OutageStore(memory), new OutageStore(memory)];
  const machines = links.map(
    (link, index) => new FakeMachine(env, link, index + 1, { name: `m${index + 1}` }),
  );
  const [first, second] = machines;
  assert.ok(first && second);
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const text = `${sleeper}[X-Fleet]\nMachineMetadata=name=m1\n`;
  await second.registry.create({ name: "only.service", text, hash: hashUnitText(text), target: "launched" });
  await env.advance(1000);
  links[0]?.cut();
  await env.advance(4 * ttlMs);
  const placement = second.registry.view().placements.get("only.service");
  assert.ok(placement !== undefined && "waiting" in placement);
  await second.registry.cordon({ machine: second.id, sinceMs: 0 });
  await env.advance(1000);
  await second.registry.uncordon(second.id);
  await env.advance(1000);
  links[0]?.restore();
  await env.advance(2 * ttlMs);
  assert.deepEqual(await first.running(), ["only.service"]);
  assert.deepEqual(
    first.units.calls.map(({ operation }) => operation),
    ["load", "start"],
  );

  links[0]?.cut();
  await env.advance(4 * ttlMs);
  await second.registry.setMetadata([{ machine: second.id, key: "name", value: "m1" }]);
  await env.advance(1000);
  assert.deepEqual(await second.running(), ["only.service"]);
  links[0]?.restore();
  await env.advance(2 * ttlMs);
  assert.deepEqual(await first.running(), [], "what was placed elsewhere meanwhile is given up");
  for (const each of machines) await each.crash();
  await memory.close();
});

test("a clock that jumps an hour either way disturbs no unit and delays none", async () => {
  await withCluster(3, async ({ env, machines, submit, picture }) => {
    for (const number of [1, 2, 3]) await submit(`web-${number}.service`, sleeper);
    const before = await picture();
    const changes = (): number => machines.flatMap(({ units }) => units.calls).length;
    const calls = changes();
    for (const hours of [1, -1, -1, 1]) {
      env.jump(hours * 3_600_000);
      await env.advance(2 * ttlMs);
      assert.deepEqual(await picture(), before);
      assert.equal(changes(), calls);
    }
    env.jump(-3_600_000);
    await submit("new.service", sleeper);
    assert.ok((await picture()).flat().includes("new.service"));
    env.jump(7_200_000);
    await machines[2]?.powerLoss();
    await env.advance(2 * ttlMs);
    assert.deepEqual((await picture()).flat().sort(), [
      "new.service",
      "web-1.service",
      "web-2.service",
      "web-3.service",
    ]);
  });
});
