import assert from "node:assert/strict";
import { test } from "node:test";
import { restartVerdict } from "./verdicts.ts";
import { cluster, fleetctl, hello, obedient, one, two } from "./cluster-fixture.ts";

const global = `${hello}[X-Fleet]\nGlobal=true\n`;

test("restart waits until the machine has carried it out, and the unit keeps its machine", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a", { "a.service": hello });
  registry.setPlacement("a.service", two);
  registry.setState({ unit: "a.service", machine: two });
  let ended = false;
  const restarting = run("fleetctl restart a").then((result) => {
    ended = true;
    return result;
  });
  const asked = async (): Promise<number> => {
    for (;;) {
      const number = registry.view().units.get("a.service")?.restart;
      if (number !== undefined) return number;
      await new Promise(setImmediate);
    }
  };
  const number = await asked();
  // It is active all the time: that it runs is no sign of a restart.
  registry.setState({ unit: "a.service", machine: two, restart: number - 1 });
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(ended, false);
  registry.setState({ unit: "a.service", machine: two, restart: number });
  assert.deepEqual(await restarting, {
    code: 0,
    out: "Unit a.service launched on 22222222.../10.0.0.2\n",
    err: "",
  });
});

test("restart of a loaded unit starts it, and that of an inactive one is refused without keeping the others", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  await run("fleetctl load a", { "a.service": hello });
  await run("fleetctl submit idle", { "idle.service": hello });
  await run("fleetctl start b", { "b.service": hello });
  assert.deepEqual(await run("fleetctl restart idle a b"), {
    code: 1,
    out: "Unit a.service launched on 11111111.../10.0.0.1\nUnit b.service launched on 11111111.../10.0.0.1\n",
    err: "Unable to restart unit idle.service in state inactive\n",
  });
  assert.deepEqual(await run("fleetctl restart nope"), {
    code: 1,
    out: "",
    err: "Error creating units: unable to find Unit(nope.service) in Registry or on filesystem\n",
  });
  assert.deepEqual(await run("fleetctl restart new", { "new.service": hello }), {
    code: 0,
    out: "Unit new.service inactive\n",
    err: "",
  });
  assert.deepEqual(await run("fleetctl restart nope*"), {
    code: 0,
    out: "",
    err: "Units not found in registry\n",
  });
  assert.deepEqual(await run("fleetctl restart"), { code: 0, out: "", err: "No units given\n" });
  assert.equal((await run("fleetctl restart --no-block a")).out, "Triggered unit a.service restart\n");
});

test("restart submits what only a file has, warns of a file that differs, and ends at what is nowhere", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  await run("fleetctl start a", { "a.service": hello });
  const files = { "a.service": global, "b.service": hello };
  const warning =
    "WARNING: Unit a.service in registry differs from local unit file a.service. Add --replace to override.\n";
  assert.deepEqual(await run("fleetctl restart --dry-run a b", files), {
    code: 0,
    out: "Would create unit b.service\nWould restart unit a.service\n",
    err: warning,
  });
  assert.deepEqual(await run("fleetctl restart a b", files), {
    code: 0,
    out: "Unit b.service inactive\nUnit a.service launched on 11111111.../10.0.0.1\n",
    err: warning,
  });
  assert.equal(registry.view().units.get("b.service")?.target, "inactive");
  const restart = registry.view().units.get("a.service")?.restart;
  assert.deepEqual(await run("fleetctl restart a nope"), {
    code: 1,
    out: "",
    err: "Error creating units: unable to find Unit(nope.service) in Registry or on filesystem\n",
  });
  assert.equal(registry.view().units.get("a.service")?.restart, restart, "nothing is restarted then");
});

test("restart of a global unit waits for all its machines", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  await run("fleetctl start g", { "g.service": global });
  registry.setState({ unit: "g.service", machine: two });
  const restarting = run("fleetctl restart g");
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  const number = registry.view().units.get("g.service")?.restart;
  assert.ok(number !== undefined);
  registry.setState({ unit: "g.service", machine: two, restart: number });
  assert.deepEqual(await restarting, {
    code: 0,
    out: "Unit g.service launched on 11111111.../10.0.0.1\nUnit g.service launched on 22222222.../10.0.0.2\n",
    err: "",
  });
});

test("a unit that cannot be stopped keeps no others that a pattern fits, unless it is named", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a", { "a.service": hello });
  obedient(registry, one);
  registry.setPlacement("a.service", []);
  await run("fleetctl start b", { "b.service": hello });
  const problem = "Unable to stop unit a.service in state inactive\n";
  for (const line of ["fleetctl stop a b", "fleetctl stop b a", "fleetctl stop * a"])
    assert.deepEqual(await run(line), { code: 1, out: "", err: problem }, line);
  assert.deepEqual(await run("fleetctl stop --dry-run *"), {
    code: 1,
    out: "Would stop unit b.service\n",
    err: problem,
  });
  assert.deepEqual(await run("fleetctl stop *"), {
    code: 1,
    out: "Unit b.service loaded on 11111111.../10.0.0.1\n",
    err: `${problem}Successfully stopped units [b.service].\n`,
  });
});

test("a restart that nobody waits for is told as triggered", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  await run("fleetctl start a g", { "a.service": hello, "g.service": global });
  assert.deepEqual(await run("fleetctl restart --no-block a g"), {
    code: 0,
    out: "Triggered global unit g.service restart\nTriggered unit a.service restart\n",
    err: "",
  });
});

test("a unit told as failed right after its restart may be told so from before, and is looked at again", () => {
  const machine = { id: one, address: "10.0.0.1" };
  const state = {
    machine,
    hash: "h",
    load: "loaded",
    sub: "failed",
    reached: "launched",
    restart: 5,
  } as const;
  const report = { name: "a.service", desiredState: "launched", hash: "h", global: false, machine } as const;
  const judge = (active: string, number: number) =>
    restartVerdict({ ...report, states: [{ ...state, active, result: "exit-code" }] }, number);
  const failed = judge("failed", 5);
  assert.equal(failed.kind, "failed");
  assert.ok((failed.afterMs ?? 0) >= 500);
  assert.equal(judge("active", 5).kind, "done");
  assert.equal(judge("active", 6).kind, "pending");
});

test("a restart that fails is told with its reason", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a", { "a.service": hello });
  obedient(registry, one, { active: "failed", sub: "failed", result: "exit-code" });
  registry.setPlacement("a.service", one);
  assert.deepEqual(await run("fleetctl restart a"), {
    code: 1,
    out: "",
    err:
      "Error waiting for units: Unit a.service failed on 11111111.../10.0.0.1: result exit-code. " +
      "To see why: fleetctl journal a.service\n",
  });
});

test("over a server of fleet v1.0.0 a restart is a stop and a start", async () => {
  const { registry, transport, run } = cluster();
  obedient(registry, one);
  await run("fleetctl start a g", { "a.service": hello, "g.service": global });
  const targets: string[] = [];
  const old: typeof transport = async (method, path, body, signal) => {
    if (path.endsWith("/restart")) return new Response("", { status: 404 });
    if (method === "PUT") targets.push((JSON.parse(body ?? "") as { desiredState: string }).desiredState);
    return await transport(method, path, body, signal);
  };
  assert.equal((await fleetctl(() => old, "fleetctl restart a")).code, 0);
  assert.deepEqual(targets, ["loaded", "launched"]);
  assert.equal(
    (await fleetctl(() => old, "fleetctl restart g")).err,
    "Error restarting units: the API at this endpoint cannot restart the global unit g.service; stop and start it\n",
  );
});

test("patterns stand for units of the registry", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  const files = { "web@.service": hello, "db.service": hello };
  await run("fleetctl submit web@ web@1 web@2 db", files);
  assert.deepEqual(await run("fleetctl start web@*"), {
    code: 0,
    out: "Unit web@1.service launched on 11111111.../10.0.0.1\nUnit web@2.service launched on 11111111.../10.0.0.1\n",
    err: "",
  });
  assert.equal((await run("fleetctl restart web@?")).out.split("\n").length, 3);
  assert.equal(
    (await run("fleetctl list-units --fields=unit --no-legend web@[2-9] nope")).out,
    "web@2.service\n",
  );
  assert.equal(
    (await run("fleetctl list-unit-files --fields=unit --no-legend web* db")).out,
    "db.service\nweb@.service\nweb@1.service\nweb@2.service\n",
  );
  assert.equal(
    (await run("fleetctl list-machines --fields=ip --no-legend 111 3*")).out,
    "10.0.0.1\n10.0.0.3\n",
  );
  assert.equal(
    (await run("fleetctl cat web@[12]")).out,
    `# web@1.service\n${hello}\n# web@2.service\n${hello}`,
  );
  assert.equal(
    (await run("fleetctl status web*")).out,
    "* web@1.service\n   Loaded: loaded\n\n* web@2.service\n   Loaded: loaded\n",
    "templates and units that nobody wants are left out",
  );
  assert.deepEqual(await run("fleetctl status db*"), {
    code: 1,
    out: "",
    err: "No unit that is loaded or started fits db*.\n",
  });
  assert.equal((await run("fleetctl journal web@*")).out, "web@1.service 10 short\nweb@2.service 10 short\n");
  assert.equal((await run("fleetctl restart *")).code, 0);
  assert.equal(
    (await run("fleetctl stop *")).err,
    "Successfully stopped units [web@1.service web@2.service].\n",
  );
  assert.equal((await run("fleetctl unload --no-block *")).code, 0);
  assert.equal((await run("fleetctl destroy nope*")).err, "Units not found in registry\n");
  assert.deepEqual(
    (await run("fleetctl destroy web*")).out.trimEnd().split("\n").toSorted(),
    ["web@.service", "web@1.service", "web@2.service"].map((name) => `Destroyed ${name}`),
  );
  assert.deepEqual(Array.from(registry.view().units.keys()), ["db.service"]);
  assert.equal(
    (await run("fleetctl start x*")).err,
    "Error creating units: unable to find Unit(x*.service) in Registry or on filesystem\n",
  );
});

test("--dry-run tells what would be done, and does nothing", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  await run("fleetctl start a", { "a.service": hello });
  const before = registry.view();
  for (const [line, out] of [
    ["fleetctl stop --dry-run a", "Would stop unit a.service\n"],
    ["fleetctl unload --dry-run a", "Would unload unit a.service\n"],
    ["fleetctl restart --dry-run a", "Would restart unit a.service\n"],
    ["fleetctl destroy --dry-run a*", "Would destroy unit a.service\n"],
    ["fleetctl load --dry-run a", "Would load unit a.service\n"],
    ["fleetctl start --dry-run a b", "Would create unit b.service\nWould start unit b.service\n"],
    ["fleetctl submit --dry-run b", "Would create unit b.service\n"],
    ["fleetctl start --replace --dry-run a", "Would replace unit a.service\nWould start unit a.service\n"],
  ] as const) {
    const files = { "b.service": hello, "a.service": `${hello}[Unit]\nDescription=new\n` };
    assert.equal((await run(line, line.includes("replace") ? files : { "b.service": hello })).out, out, line);
  }
  assert.equal(registry.view(), before);
});
