import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { FleetClient } from "../fleet/api-client.ts";
import { fleetApi } from "../fleet/api-server.ts";
import { EventFeed } from "../fleet/event-feed.ts";
import { asDescribed } from "../fleet/openapi-check.ts";
import { FakeMachine } from "../fleet/fake-machine.ts";
import { fakeTransport } from "../fleet/fake-transport.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { hashUnitText } from "../unit/hash.ts";
import { eventsCommand } from "./events.ts";
import { whyCommand } from "./why.ts";

const one = "1".repeat(32);

interface Desk {
  readonly env: FakeEnv;
  readonly machine: FakeMachine;
  readonly submit: (name: string, text: string) => Promise<void>;
  readonly run: (line: string, signal?: AbortSignal) => Promise<{ code: number; out: string; err: string }>;
}

async function atDesk(body: (desk: Desk) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const machine = new FakeMachine(env, store, 1);
  const feed = new EventFeed(env, store, 1000);
  machine.start();
  await env.advance(1000);
  const answered = fleetApi(machine.registry, {
    version: "1.0.0",
    clock: env.clock,
    events: feed,
    machines: {
      local: {
        id: one,
        status: async () => ({ text: "", exitCode: 0 }),
        journal: () => new Blob(["Nov 22 web[1]: no such file\n"]).stream(),
      },
      fetchMachine: undefined,
    },
  });
  const handler = asDescribed(answered);
  const connect = (): FleetClient => new FleetClient(fakeTransport(handler));
  const program = {
    name: "argosy",
    summary: "",
    description: "",
    commands: [whyCommand(connect), eventsCommand(connect)],
  };
  try {
    await body({
      env,
      machine,
      async submit(name, text) {
        await machine.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
        await env.advance(1000);
      },
      async run(line, signal) {
        const surroundings = fakeSurroundings(signal === undefined ? {} : { signal });
        const code = await runProgram(program, line.split(" "), surroundings);
        return { code, out: surroundings.stdout.text(), err: surroundings.stderr.text() };
      },
    });
  } finally {
    feed.close();
    await machine.crash();
    await store.close();
  }
}

test("why says which machine refuses a unit and why, with the last decision", async () => {
  await atDesk(async ({ run, submit }) => {
    await submit("web.service", "[X-Fleet]\nMachineMetadata=region=us\n");
    const { code, out } = await run("why web");
    assert.equal(code, 0);
    assert.deepEqual(out.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME").split("\n"), [
      "no machine can run web.service now.",
      "",
      "Target:    launched",
      "Decision:  TIME decision.waiting  (it cannot be placed) [11111111: local Machine metadata insufficient]",
      "",
      "MACHINE      UNITS  MAY  WHY",
      "11111111...  0      no   local Machine metadata insufficient",
      "",
    ]);
    const json = JSON.parse((await run("why web.service --json")).out) as Record<string, unknown>;
    assert.deepEqual(json["machines"], [
      {
        machine: { id: one, address: "" },
        here: false,
        may: false,
        why: "local Machine metadata insufficient",
        units: 0,
      },
    ]);
  });
});

test("why says of a unit on a machine that is being drained what the drain means for it", async () => {
  await atDesk(async ({ env, machine, run, submit }) => {
    await submit("web.service", "[Service]\nExecStart=/bin/true\n");
    await submit("pinned.service", `[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineID=${one}\n`);
    const summary = async (unit: string): Promise<string> =>
      (await run(`why ${unit}`)).out.split("\n")[0] ?? "";
    await machine.registry.cordon({ machine: one, sinceMs: 0 });
    await env.advance(1000);
    assert.match(await summary("web"), /where it is active\.$/);
    await machine.registry.cordon({ machine: one, sinceMs: 0, drain: { mostMoving: 1 } });
    await env.advance(1000);
    const drained = "is placed on 11111111..., where it is active; its machine is being drained,";
    assert.equal(
      await summary("web"),
      `web.service ${drained} but it cannot leave now, because no other machine can take it.`,
    );
    assert.match((await run("why web")).out, /^11111111\.\.\. .* no .* the machine is being drained$/m);
    assert.equal(
      await summary("pinned"),
      `pinned.service ${drained} and it stays, because it is pinned to it.`,
    );
  });
});

test("why shows the journal where a unit has failed, and refuses a unit that is not there", async () => {
  await atDesk(async ({ env, machine, run, submit }) => {
    await submit("web.service", "[Service]\nExecStart=/bin/true\n");
    machine.units.change("web.service", { active: "failed", sub: "failed", result: "exit-code" });
    await env.advance(1000);
    const { out } = await run("why web.service");
    assert.match(out, /^web\.service is in trouble on 11111111\.\.\.: failed \(exit-code\)\./);
    assert.match(out, /it is here/);
    assert.match(out, /11111111\.\.\. {2}loaded {2}failed {2}failed {2}exit-code {2}-/);
    assert.match(out, /Journal on 11111111\.\.\.:\n {2}Nov 22 web\[1\]: no such file\n/);
    const missing = await run("why none");
    assert.equal(missing.code, 1);
    assert.match(missing.err, /There is no unit none\.service/);
  });
});

test("events prints the history, filtered and as JSON, and refuses a kind that is none", async () => {
  await atDesk(async ({ run, submit }) => {
    await submit("web.service", "[Service]\nExecStart=/bin/true\n");
    const { out } = await run("events --unit web");
    assert.deepEqual(
      out.split("\n").map((line) => line.slice(25)),
      [
        "unit.created      web.service launched (86943ac) by a client at 11111111",
        "decision.placed   web.service to 11111111 (fewest units (0) of 1 fitting machines)",
        "state.changed     web.service on 11111111 active/running",
        "",
      ],
    );
    const [first = ""] = (await run("events --json --kind decision")).out.split("\n");
    const event = JSON.parse(first) as { id: string; kind: string };
    assert.equal(event.kind, "decision.placed");
    assert.match((await run(`events --after ${event.id}`)).out, /^\S+ state\.changed [^\n]*\n$/);
    assert.equal((await run("events --lines 1")).out.split("\n").length, 2);
    const bad = await run("events --kind wrong");
    assert.deepEqual([bad.code, /no kind of event "wrong"/.test(bad.err)], [1, true]);
  });
});

test("events --follow prints what happens after it began, and ends when it is interrupted", async () => {
  await atDesk(async ({ env, run, submit }) => {
    const stop = new AbortController();
    const running = run("events -f --kind unit --lines 0", stop.signal);
    await env.settle();
    await submit("web.service", "[Service]\nExecStart=/bin/true\n");
    stop.abort(new Error("interrupted"));
    const { code, out } = await running;
    assert.equal(code, 0);
    assert.match(out, /^\S+ unit\.created +web\.service launched [^\n]*\n$/);
  });
});

test("an answer that no fleet API gives is told as such", async () => {
  for (const body of ["null", "{}", "<html></html>", '{"events":[null]}', 'data: {"kind":"x"}\n\n'])
    for (const line of ["events", "events -f", "why a", "why --json a"]) {
      const headers = { "Content-Type": body.startsWith("data") ? "text/event-stream" : "text/html" };
      const connect = () => new FleetClient(async () => new Response(body, { headers }));
      const commands = [whyCommand(connect), eventsCommand(connect)];
      const surroundings = fakeSurroundings({});
      const program = { name: "argosy", summary: "", description: "", commands };
      assert.equal(await runProgram(program, line.split(" "), surroundings), 1, `${line}: ${body}`);
      assert.match(surroundings.stderr.text(), /What answers at the endpoint is not a fleet API/);
      assert.equal(surroundings.stdout.text(), "");
    }
});
