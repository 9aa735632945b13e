import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { FleetClient } from "../fleet/api-client.ts";
import { fleetApi } from "../fleet/api-server.ts";
import { FakeMachine } from "../fleet/fake-machine.ts";
import { fakeTransport } from "../fleet/fake-transport.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { cordonCommand } from "./cordon.ts";
import { drainCommand } from "./drain.ts";
import { uncordonCommand } from "./uncordon.ts";

const sleeper = "[Service]\nExecStart=/bin/sleep 1000\n";

interface Desk {
  readonly env: FakeEnv;
  readonly machines: readonly FakeMachine[];
  readonly submit: (name: string, options?: string) => Promise<void>;
  /** Starts a command; time has to be moved on for those that wait. */
  readonly run: (line: string, signal?: AbortSignal) => Promise<{ code: number; out: string; err: string }>;
  /** Names of running units, machine by machine. */
  readonly picture: () => Promise<string[]>;
}

async function atDesk(body: (desk: Desk) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machines = [1, 2, 3].map((number) => new FakeMachine(env, store, number));
  for (const machine of machines) machine.start();
  await env.advance(1000);
  const [first] = machines;
  assert.ok(first);
  const handler = fleetApi(first.registry, { version: "1.0.0", clock: env.clock });
  const connect = (): FleetClient => new FleetClient(fakeTransport(handler));
  const program = {
    name: "argosy",
    summary: "",
    description: "",
    commands: [drainCommand(connect), cordonCommand(connect), uncordonCommand(connect)],
  };
  try {
    await body({
      env,
      machines,
      async submit(name, options = "") {
        const text = `${sleeper}[X-Fleet]\n${options}\n`;
        await first.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
        await env.advance(1000);
      },
      async run(line, signal) {
        const surroundings = fakeSurroundings(signal === undefined ? {} : { signal });
        const code = await runProgram(program, line.split(" "), { ...surroundings, env });
        return { code, out: surroundings.stdout.text(), err: surroundings.stderr.text() };
      },
      picture: async () =>
        (await Promise.all(machines.map((one) => one.running()))).map((names) => names.join(" ")),
    });
  } finally {
    for (const machine of machines) await machine.crash();
    await store.close();
  }
}

/** Moves time on until a command has ended. */
async function ended<T>(env: FakeEnv, running: Promise<T>): Promise<T> {
  const state = { done: false };
  const watched = running.finally(() => {
    state.done = true;
  });
  for (let rounds = 0; rounds < 200 && !state.done; rounds++) await env.advance(250);
  return await watched;
}

test("a drain moves units one by one and tells each step; uncordon ends it", async () => {
  await atDesk(async ({ env, machines, submit, run, picture }) => {
    for (const name of ["a", "b", "c", "d"]) await submit(`${name}.service`);
    await submit("all.service", "Global=true");
    await submit("pinned.service", `MachineID=${"1".repeat(32)}`);
    assert.deepEqual(await picture(), [
      "a.service all.service d.service pinned.service",
      "all.service b.service",
      "all.service c.service",
    ]);
    const { code, out } = await ended(env, run("drain 11111111"));
    assert.deepEqual(out.split("\n"), [
      "Draining 11111111...: 2 unit(s) to move, at most 1 at a time.",
      "a.service: starts on 22222222...",
      "all.service: stays, because it is global",
      "pinned.service: stays, because it is pinned to this machine",
      "a.service: stops here",
      "d.service: starts on 33333333...",
      "d.service: stops here",
      "a.service: has moved",
      "d.service: has moved",
      "Drained 11111111...; 2 unit(s) stay: all.service (global), pinned.service (pinned).",
      "It takes no new units until: argosy uncordon 11111111",
      "",
    ]);
    assert.equal(code, 0);
    assert.deepEqual(await picture(), [
      "all.service pinned.service",
      "a.service all.service b.service",
      "all.service c.service d.service",
    ]);
    await submit("new.service");
    assert.equal((await picture())[0], "all.service pinned.service");

    await machines[0]?.crash();
    machines[0]?.start();
    await env.advance(30_000);
    assert.equal((await run("drain 1 --json")).code, 0, "it is drained already");
    assert.match((await run("uncordon 1")).out, /^11111111\.\.\. takes units again\.$/m);
    assert.match((await run("uncordon 1")).out, /was not cordoned/);
    await submit("newer.service");
    assert.equal((await picture())[0], "all.service newer.service pinned.service");
  });
});

test("a cordoned machine keeps its units, and a word for no machine or for several is told", async () => {
  await atDesk(async ({ submit, run, picture }) => {
    await submit("a.service");
    assert.match((await run("cordon 1111")).out, /takes no new units, and keeps 1\./);
    await submit("b.service");
    await submit("c.service");
    await submit("d.service");
    assert.deepEqual(await picture(), ["a.service", "b.service d.service", "c.service"]);
    const unknown = await run("cordon 9");
    assert.deepEqual([unknown.code, unknown.out], [1, ""]);
    assert.match(unknown.err, /There is no machine 9; fleetctl list-machines shows/);
  });
});

test("a drain that takes too long goes on, and is over when it is asked for again", async () => {
  await atDesk(async ({ env, machines, submit, run, picture }) => {
    await submit("a.service");
    machines[1]?.units.refuse("start", "a.service", "cannot start a.service: no");
    machines[2]?.units.refuse("start", "a.service", "cannot start a.service: no");
    const { code, out, err } = await ended(env, run("drain 11111111... --timeout 5s"));
    assert.equal(code, 1);
    assert.match(out, /a\.service: failed on 22222222\.\.\. and goes on running here; argosy why tells more/);
    assert.match(err, /The drain goes on without this command\. Watch it with: argosy drain 11111111;/);
    assert.deepEqual(await picture(), ["a.service", "", ""]);

    machines[1]?.units.refuse("start", "a.service");
    await machines[0]?.registry.restart("a.service");
    const again = await ended(env, run("drain 11111111"));
    assert.equal(again.code, 0, again.out + again.err);
    assert.deepEqual(await picture(), ["", "a.service", ""]);
  });
});

test("a drain that waits for units that fit nowhere else says so, and how to go on watching it", async () => {
  await atDesk(async ({ env, submit, run }) => {
    for (const name of ["a", "b", "c"]) await submit(`${name}.service`, "Conflicts=*");
    await submit("pinned.service", `MachineID=${"1".repeat(32)}`);
    const { code, out, err } = await ended(env, run("drain 1 --max-unavailable 2 --timeout 5s"));
    assert.equal(code, 1);
    const conflict = "found conflict with locally-scheduled Unit";
    assert.deepEqual(out.split("\n"), [
      "Draining 11111111...: 1 unit(s) to move, at most 2 at a time.",
      `a.service: cannot leave yet: 22222222...: ${conflict}([b.service]); 33333333...: ${conflict}([c.service])`,
      "Nothing can move now; the drain waits for 1 unit(s): a.service (stays).",
      "",
    ]);
    assert.match(err, /Watch it with: argosy drain 11111111 --max-unavailable 2; end it with:/);
  });
});

test("a drain whose machine dies says so of what it left behind, and can be ended", async () => {
  await atDesk(async ({ env, machines, submit, run }) => {
    for (const name of ["a", "b", "c"]) await submit(`${name}.service`, "Conflicts=*");
    await machines[2]?.registry.cordon({ machine: "2".repeat(32), sinceMs: 0, drain: { mostMoving: 1 } });
    await env.advance(1000);
    const watching = run("drain 2");
    await env.advance(500);
    await machines[1]?.powerLoss();
    const { code, out } = await ended(env, watching);
    assert.equal(code, 0);
    assert.match(out, /^b\.service: left with its machine, which is away; argosy why tells more$/m);
    assert.match(out, /^Drained 22222222\.\.\.; nothing is left on it, and it is away\.$/m);
    assert.doesNotMatch(out, /has moved/);
    const ending = await run("uncordon 2");
    assert.deepEqual([ending.code, ending.err], [0, ""]);
    assert.match(ending.out, /^22222222\.\.\. takes units again once it is back\.$/m);
    machines[1]?.start();
    await env.advance(30_000);
    assert.match((await run("uncordon 2")).out, /was not cordoned/);
  });
});

test("a drain that somebody ends is told, and an interrupted one goes on", async () => {
  await atDesk(async ({ env, machines, submit, run, picture }) => {
    await submit("a.service");
    for (const machine of machines) machine.units.callMs = 2_000;
    const interrupt = new AbortController();
    const first = run("drain 1", interrupt.signal);
    await env.advance(500);
    interrupt.abort(new Error("interrupted"));
    assert.match((await first).err, /The drain goes on without this command/);
    const second = run("drain 1");
    await env.advance(100);
    await run("uncordon 1");
    const { code, err } = await ended(env, second);
    assert.equal(code, 1);
    assert.match(err, /Somebody has ended the drain of 11111111/);
    await env.advance(20_000);
    for (const machine of machines) machine.units.callMs = 0;
    assert.deepEqual(await picture(), ["a.service", "", ""]);
  });
});
