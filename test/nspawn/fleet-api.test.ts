import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, afterEach, before, test } from "node:test";
import type { AgentDump } from "../../src/fleet/agent-dump.ts";
import type { WhyEntity } from "../../src/fleet/api-why.ts";
import { badUnits } from "../../src/fleet/bad-units.ts";
import type { FleetEvent } from "../../src/fleet/events.ts";
import { labDown } from "../../src/lab/lab.ts";
import { type FleetLab, openFleetLab, sleeper } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// The API on real machines: what happens is told, why is told, every type of unit works, and large or many requests hurt nobody.

const lab = testLab("fleet-api");
let cluster: FleetLab;

before(async () => {
  cluster = await openFleetLab(lab);
});
afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster.printJournals();
});
after(async () => await labDown(lab));

const on = (machine: string): string => `[X-Fleet]\nMachineMetadata=machine=${machine}\n`;

async function eventsAbout(unit: string, query = "", through = "m1"): Promise<readonly FleetEvent[]> {
  const answer = await cluster.read(through, `/argosy/v1/events?follow=false&unit=${unit}${query}`);
  assert.equal(answer.status, 200);
  return ((await answer.json()) as { events: FleetEvent[] }).events;
}

test("every machine tells the same history, also after its daemon was restarted, and a stream goes on where it was left", async () => {
  const stream = await cluster.ask("m3", "/argosy/v1/events?unit=told.service&last=0");
  assert.equal(stream.headers.get("content-type"), "text/event-stream");
  const reader = (stream.body ?? assert.fail("no body")).getReader();
  await cluster.put("told.service", `${sleeper}${on("m2")}`);
  await cluster.untilRunning(["told.service"]);
  let text = "";
  while (!/event: state\.changed\ndata: [^\n]*"active":"active"/.test(text))
    text += new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  const kinds = [...text.matchAll(/^event: (.*)$/gm)].map(([, kind]) => kind);
  assert.deepEqual(kinds.slice(0, 2), ["unit.created", "decision.placed"]);

  const [created, placed] = await eventsAbout("told.service");
  assert.ok(created?.by?.address !== undefined, "a request over TCP has an address");
  assert.equal(cluster.nameOf(placed?.machine), "m2");
  await cluster.shell("m1", "systemctl restart fleet.service");
  await cluster.waitFor("m1 answers again", async () => {
    const answer = await cluster.ask("m1", "/fleet/v1/machines").catch(() => undefined);
    return answer?.status === 200;
  });
  assert.deepEqual((await eventsAbout("told.service")).slice(0, 2), [created, placed]);
  const later = await eventsAbout("told.service", `&after=${created?.id}`, "m3");
  assert.equal(later[0]?.id, placed?.id);
});

test("why tells each machine's reason, and shows the journal of a unit that fails on another machine", async () => {
  await cluster.put("nowhere.service", `${sleeper}${on("m9")}`);
  await cluster.until(["nowhere.service"], "it waits", ({ waiting }) => waiting !== undefined);
  const nowhere = (await (
    await cluster.read("m1", "/argosy/v1/units/nowhere.service/why")
  ).json()) as WhyEntity;
  assert.equal(nowhere.summary, "no machine can run nowhere.service now");
  assert.deepEqual(
    nowhere.machines.map(({ may, why }) => [may, why]),
    cluster.machines.map(() => [false, "local Machine metadata insufficient"]),
  );
  assert.equal(nowhere.decision?.kind, "decision.waiting");

  const broken = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the disk is gone; exit 7'\n";
  await cluster.put("broken.service", `${broken}${on("m3")}`);
  await cluster.until(["broken.service"], "it failed", ({ states }) => states[0]?.active === "failed");
  const why = (await (await cluster.read("m1", "/argosy/v1/units/broken.service/why")).json()) as WhyEntity;
  assert.match(
    why.summary,
    /^broken\.service is in trouble on .*: failed \(exit-code\); cannot start broken\.service/,
  );
  assert.match((why.journal?.[0]?.lines ?? []).join("\n"), /the disk is gone/, JSON.stringify(why.journal));
});

test("units of every type that a container can have are started, told and forgotten", async () => {
  const units: readonly (readonly [name: string, text: string])[] = [
    ["typed.service", "[Service]\nExecStart=/bin/sleep infinity\n"],
    ["typed.target", "[Unit]\nDescription=a target\n"],
    ["typed.slice", "[Slice]\nMemoryHigh=1G\n"],
    ["typed.timer", "[Timer]\nOnCalendar=yearly\n"],
    ["typed.path", "[Path]\nPathExists=/nowhere\n"],
    ["typed.socket", "[Socket]\nListenStream=/run/typed.sock\n"],
    ["run-typed.mount", "[Mount]\nWhat=tmpfs\nWhere=/run/typed\nType=tmpfs\n"],
  ];
  const names = units.map(([name]) => name);
  // A socket, a path and a timer need their service beside them, and a socket that service not to run yet.
  for (const [name, text] of units)
    await cluster.put(name, `${text}${on("m2")}`, name === "typed.service" ? "loaded" : "launched");
  await cluster.until(
    names,
    "all are as they should be",
    ({ name, states }) => states[0]?.active === (name === "typed.service" ? "inactive" : "active"),
  );
  assert.match(await cluster.shell("m2", "findmnt --noheadings --output FSTYPE /run/typed"), /^tmpfs/);
  for (const name of names) await cluster.destroy(name);
  await cluster.untilGone(names);
  assert.doesNotMatch(await cluster.shell("m2", "ls /run/fleet/units"), /typed/);
});

test("three units of a megabyte start together, and nobody else notices", async () => {
  await cluster.put("small.service", sleeper);
  const [where = ""] = await cluster.untilRunning(["small.service"]);
  const small = await cluster.process(where, "small.service");
  const comment = `Environment=A=${"x".repeat(1900)}\n`;
  const text = `[Service]\nExecStart=/bin/sleep infinity\n${comment.repeat(480)}`;
  const big = ["big-1.service", "big-2.service", "big-3.service"];
  const answers = await Promise.all(
    big.map(async (name, at) => await cluster.tryPut(name, text, "launched", `m${at + 1}`)),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  await cluster.untilRunning(big);
  assert.deepEqual(await cluster.process(where, "small.service"), small);
  for (const name of big) await cluster.destroy(name);
  await cluster.untilGone(big);
});

test("SIGUSR1 has fleet tell what its agent has in mind, and go on", async () => {
  await cluster.put("minded.service", sleeper);
  const [where = ""] = await cluster.untilRunning(["minded.service"]);
  const pid = await cluster.shell(where, "systemctl show --value --property=MainPID fleet.service");
  await cluster.shell(where, "systemctl kill --signal=USR1 --kill-whom=main fleet.service");
  let line: string | undefined;
  await cluster.waitFor("the line of JSON", async () => {
    const journal = await cluster.shell(where, "journalctl --unit=fleet.service --output=cat");
    line = journal.split("\n").find((each) => each.startsWith('{"Agent"'));
    return line !== undefined;
  });
  const told = JSON.parse(line ?? "") as AgentDump;
  assert.equal(told.Agent.Cache.TargetStates["minded.service"], "launched");
  assert.equal(told.UnitStatePublisher.Cache["minded.service"]?.ActiveState, "active");
  assert.ok(told.UnitStateGenerator.Subscribed.includes("minded.service"));
  assert.equal(await cluster.shell(where, "systemctl show --value --property=MainPID fleet.service"), pid);
  await cluster.destroy("minded.service");
  await cluster.untilGone(["minded.service"]);
});

test("metrics are told by every machine, and one of them leads", async () => {
  const texts = await Promise.all(
    cluster.machines.map(async ({ name }) => await (await cluster.ask(name, "/metrics")).text()),
  );
  const value = (text: string, series: string): number =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${series} `))
        ?.slice(series.length),
    );
  const leaders = texts.filter((text) => value(text, "fleet_engine_leader_start_time") > 0);
  assert.equal(leaders.length, 1);
  assert.ok(value(leaders[0] ?? "", 'fleet_engine_task_count_total{type="attemptscheduleunit"}') > 0);
  for (const text of texts) {
    assert.equal(value(text, "argosy_fleet_machines"), cluster.machines.length);
    assert.ok(value(text, 'argosy_fleet_store_operations_total{operation="commit",outcome="done"}') > 0);
    assert.ok(value(text, "process_resident_memory_bytes") > 1_000_000);
  }
});

test("with 1,000 idle connections the API goes on, and a reload of the settings disturbs no request", async () => {
  const { hostname, port } = new URL(cluster.machine("m1").fleetApi);
  const idle = await Promise.all(
    Array.from({ length: 1000 }, async (): Promise<Socket> => {
      const socket = connect(Number(port), hostname);
      await once(socket, "connect");
      return socket;
    }),
  );
  try {
    await cluster.put("busy.service", `${sleeper}${on("m1")}`);
    assert.deepEqual(await cluster.untilRunning(["busy.service"]), ["m1"]);
    const process = await cluster.process("m1", "busy.service");
    const stream = await cluster.ask("m1", "/argosy/v1/events?unit=after.service&last=0");
    const reader = (stream.body ?? assert.fail("no body")).getReader();
    await cluster.shell("m1", "systemctl reload fleet.service");
    assert.equal(await cluster.shell("m1", "systemctl is-active fleet.service"), "active\n");
    const journal = await cluster.shell(
      "m1",
      "journalctl --sync; journalctl --unit fleet.service --output cat",
    );
    assert.match(journal, /^Reloading configuration\nread the settings again/m);
    assert.doesNotMatch(journal, /Failed serving HTTP on listener/);
    await cluster.put("after.service", sleeper);
    await cluster.untilRunning(["after.service"]);
    assert.deepEqual(await cluster.process("m1", "busy.service"), process);
    assert.equal(idle.filter((socket) => socket.destroyed).length, 0);
    let text = "";
    while (!text.includes("event: unit.created"))
      text += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
  } finally {
    for (const socket of idle) socket.destroy();
  }
});

test("hundreds of random and mutated units get no answer above 499, and every machine goes on", async () => {
  await cluster.put("bystander.service", sleeper);
  const [where = ""] = await cluster.untilRunning(["bystander.service"]);
  const daemons = ["fleet.service", "etcd.service"];
  const undisturbed = await cluster.snapshot(daemons);
  const bystander = await cluster.process(where, "bystander.service");
  const taken = new Set<string>();
  for (const { name, body } of badUnits(300, 4711)) {
    const answer = await cluster.ask("m2", `/fleet/v1/units/${encodeURIComponent(name.toWellFormed())}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(
      answer.status < 500,
      `${answer.status} for ${name} ${JSON.stringify(body)}: ${await answer.text()}`,
    );
    if (answer.status === 201) taken.add(name);
  }
  assert.ok(taken.size > 20, `${taken.size}`);
  for (const name of taken) await cluster.destroy(name);
  await cluster.untilGone([...taken]);
  const latecomers = cluster.machines.map(({ name }) => `after-${name}.service`);
  for (const { name } of cluster.machines)
    await cluster.put(`after-${name}.service`, `${sleeper}${on(name)}`);
  assert.deepEqual(
    await cluster.untilRunning(latecomers),
    cluster.machines.map(({ name }) => name),
  );
  assert.deepEqual(await cluster.snapshot(daemons), undisturbed);
  assert.deepEqual(await cluster.process(where, "bystander.service"), bystander);
});
