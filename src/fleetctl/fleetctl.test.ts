import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster, hello, obedient, one, three, two } from "./cluster-fixture.ts";

test("start, stop and start --no-block print what fleetctl v1.0.0 prints", async () => {
  const { registry, run } = cluster();
  obedient(registry, one);
  const files = { "hello.service": hello, "hello@.service": hello };
  assert.deepEqual(await run("fleetctl start hello.service", files), {
    code: 0,
    out: "Unit hello.service inactive\nUnit hello.service launched on 11111111.../10.0.0.1\n",
    err: "",
  });
  assert.deepEqual(await run("fleetctl start hello", files), { code: 0, out: "", err: "" });
  assert.deepEqual(await run("fleetctl stop hello.service"), {
    code: 0,
    out: "Unit hello.service loaded on 11111111.../10.0.0.1\n",
    err: "Successfully stopped units [hello.service].\n",
  });
  assert.equal(
    (await run("fleetctl start --no-block hello@1 hello@2", files)).out,
    "Unit hello@1.service inactive\nUnit hello@2.service inactive\n" +
      "Triggered unit hello@1.service start\nTriggered unit hello@2.service start\n",
  );
});

test("load, unload and destroy wait for what they say", async () => {
  const { registry, run } = cluster();
  obedient(registry, two);
  const loaded = await run("fleetctl load a.service", { "a.service": hello });
  assert.equal(loaded.out, "Unit a.service inactive\nUnit a.service loaded on 22222222.../10.0.0.2\n");
  const unloading = run("fleetctl unload a.service");
  await new Promise(setImmediate);
  registry.clearPlacement("a.service");
  assert.deepEqual(await unloading, {
    code: 0,
    out: "Unit a.service inactive\n",
    err: "Successfully unloaded units [a.service].\n",
  });
  assert.deepEqual(await run("fleetctl destroy a.service"), {
    code: 0,
    out: "Destroyed a.service\n",
    err: "",
  });
  assert.deepEqual(await run("fleetctl destroy a.service"), {
    code: 0,
    out: "",
    err: "Units not found in registry\n",
  });
});

test("stop and destroy return only when the process is gone", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a.service", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  let ended = false;
  const destroying = run("fleetctl destroy a.service").then((result) => {
    ended = true;
    return result;
  });
  await new Promise(setImmediate);
  registry.setState({ unit: "a.service", machine: one, active: "deactivating", sub: "stop-sigterm" });
  await new Promise(setImmediate);
  assert.equal(ended, false);
  registry.clearState("a.service", one);
  assert.equal((await destroying).out, "Destroyed a.service\n");
});

test("a unit that fails is named with machine, result and the way to its journal", async () => {
  const { registry, run } = cluster();
  obedient(registry, one, { active: "failed", sub: "failed", result: "exit-code" });
  assert.deepEqual(await run("fleetctl start bad.service", { "bad.service": hello }), {
    code: 1,
    out: "Unit bad.service inactive\n",
    err:
      "Error waiting for units: Unit bad.service failed on 11111111.../10.0.0.1: result exit-code. " +
      "To see why: fleetctl journal bad.service\n",
  });
});

test("a unit that systemd refuses to start is told with what systemd says", async () => {
  const { registry, run } = cluster();
  const problem = "cannot start bad.service: systemd says: Unit bad.service is masked.";
  obedient(registry, one, { active: "inactive", sub: "dead", result: "success", problem });
  assert.deepEqual(await run("fleetctl start bad.service", { "bad.service": hello }), {
    code: 1,
    out: "Unit bad.service inactive\n",
    err:
      "Error waiting for units: Unit bad.service did not start on 11111111.../10.0.0.1: " +
      "cannot start bad.service: systemd says: Unit bad.service is masked.\n",
  });
});

for (const [verb, words] of [
  ["stop", "Failed to stop units [a.service]. err"],
  ["unload", "Failed to unload units [a.service]. err"],
  ["destroy", "Error destroying units"],
] as const)
  test(`${verb} tells that systemd does not stop a unit, with what systemd says`, async () => {
    const { registry, run } = cluster();
    await run("fleetctl start --no-block a.service", { "a.service": hello });
    registry.setPlacement("a.service", one);
    const problem = "cannot stop a.service: systemd says: Operation refused.";
    registry.setState({ unit: "a.service", machine: one, problem });
    const { code, err } = await run(`fleetctl ${verb} a.service`);
    assert.equal(
      err,
      `${words}: Unit a.service still runs on 11111111.../10.0.0.1, which goes on trying: ` +
        "cannot stop a.service: systemd says: Operation refused.\n",
    );
    assert.equal(code, 1);
  });

test("stop waits on while a unit runs whose new text could not be loaded", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a.service", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one, problem: "cannot load a.service: no space left" });
  const stopped = await run("fleetctl stop --block-attempts 5 a.service");
  assert.match(stopped.err, /timed out waiting for unit a\.service to report state loaded/);
});

test("a unit without a place is told with the reasons, machine by machine, and exit code 3", async () => {
  const { registry, run } = cluster();
  registry.subscribe(() => {
    const unit = registry.view().units.get("x.service");
    if (unit === undefined || registry.view().placements.has("x.service")) return;
    registry.setPlacement("x.service", [
      { machine: one, why: "local Machine metadata insufficient" },
      { machine: two, why: "found conflict with locally-scheduled Unit(y.service)" },
    ]);
  });
  const result = await run("fleetctl start x.service", { "x.service": hello });
  assert.equal(result.code, 3);
  assert.match(
    result.err,
    /^Unit x\.service cannot be placed on any machine now:\n {2}11111111\.\.\.\/10\.0\.0\.1: local Machine/,
  );
  assert.match(result.err, /\n {2}22222222\.\.\.\/10\.0\.0\.2: found conflict/);
  await run("fleetctl unload --no-block x.service");
  const patient = await run("fleetctl start --block-attempts=2 x.service");
  assert.equal(patient.code, 1);
  assert.equal(
    patient.err,
    "Error waiting for units: timed out waiting for unit x.service to report state launched\n" +
      "Error waiting for unit states, exit status: timed out waiting for unit x.service to report state launched\n",
  );
});

test("start of a unit that is wanted already tells only what is wrong with it", async () => {
  const { registry, run } = cluster();
  const text = { "a.service": hello };
  await run("fleetctl start --no-block a", text);
  assert.deepEqual(await run("fleetctl start a", text), { code: 0, out: "", err: "" }, "not placed yet");
  registry.setPlacement("a.service", [{ machine: one, why: "local Machine metadata insufficient" }]);
  const waiting = await run("fleetctl start a", text);
  assert.equal(waiting.code, 3);
  assert.match(waiting.err, /^Unit a\.service cannot be placed on any machine now:\n/);
  assert.equal((await run("fleetctl start --no-block a", text)).code, 0);

  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  assert.deepEqual(await run("fleetctl start a", text), { code: 0, out: "", err: "" }, "it runs");
  registry.setState({
    unit: "a.service",
    machine: one,
    active: "failed",
    sub: "failed",
    result: "exit-code",
  });
  assert.deepEqual(await run("fleetctl start a", text), {
    code: 1,
    out: "",
    err:
      "Error waiting for units: Unit a.service failed on 11111111.../10.0.0.1: result exit-code. To see why: " +
      "fleetctl journal a.service; to start it again: fleetctl restart a.service\n",
  });
});

test("a oneshot that ran to its end with success is a success", async () => {
  const { registry, run } = cluster();
  obedient(registry, one, { active: "inactive", sub: "dead", result: "success" });
  assert.equal((await run("fleetctl start once.service", { "once.service": hello })).code, 0);
});

test("global units are triggered and not waited for", async () => {
  const { run } = cluster();
  const files = { "g.service": `${hello}[X-Fleet]\nGlobal=true\n` };
  const started = await run("fleetctl start g.service", files);
  assert.deepEqual(
    [started.code, started.out],
    [0, "Unit g.service \nTriggered global unit g.service start\n"],
  );
  const stopped = await run("fleetctl stop g.service");
  assert.deepEqual(stopped.out, "Triggered global unit g.service stop\n");
});

test("listings look like those of fleetctl v1.0.0", async () => {
  const { registry, run } = cluster();
  assert.equal((await run("fleetctl list-units")).out, "UNIT\tMACHINE\tACTIVE\tSUB\n");
  const global = "[Service]\nExecStart=/bin/sleep 101\n[X-Fleet]\nGlobal=true\n";
  await run("fleetctl start global.service", { "global.service": global });
  await run("fleetctl submit hello@.service", { "hello@.service": hello });
  registry.setState({ unit: "global.service", machine: one });
  registry.setState({ unit: "global.service", machine: two });
  assert.equal(
    (await run("fleetctl list-units")).out,
    "UNIT\t\tMACHINE\t\t\tACTIVE\tSUB\n" +
      "global.service\t11111111.../10.0.0.1\tactive\trunning\n" +
      "global.service\t22222222.../10.0.0.2\tactive\trunning\n",
  );
  await run("fleetctl start --no-block hello@1");
  registry.setPlacement("hello@1.service", one);
  registry.setState({ unit: "hello@1.service", machine: one });
  assert.equal(
    (await run("fleetctl list-unit-files")).out,
    "UNIT\t\tHASH\tDSTATE\t\tSTATE\t\tTARGET\n" +
      `global.service\t${registry.view().units.get("global.service")?.hash.slice(0, 7)}\tlaunched\t-\t\tglobal\n` +
      "hello@.service\t3adfef7\tinactive\tinactive\t-\n" +
      "hello@1.service\t3adfef7\tlaunched\tlaunched\t11111111.../10.0.0.1\n",
  );
  assert.equal(
    (await run("fleetctl list-machines")).out,
    "MACHINE\t\tIP\t\tMETADATA\n" +
      "11111111...\t10.0.0.1\taz=a,region=us-west\n22222222...\t10.0.0.2\t-\n33333333...\t10.0.0.3\t-\n",
  );
  assert.equal(
    (await run("fleetctl list-machines --l --no-legend --fields machine")).out,
    `${one}\n${two}\n${three}\n`,
  );
  assert.deepEqual(await run("fleetctl list-units --fields=unit,foo"), {
    code: 1,
    out: "",
    err: 'Invalid key in output format: "foo"\n',
  });
  assert.equal((await run("fleetctl list-units --fields=")).err, "Must define output format\n");
  const json = JSON.parse((await run("fleetctl list-units --json")).out) as { name: string }[];
  assert.deepEqual(
    json.map(({ name }) => name),
    ["global.service", "global.service", "hello@1.service"],
  );
});

test("cat gives the text back, and instances come from their template", async () => {
  const { run } = cluster();
  await run("fleetctl submit units/hello@.service", { "units/hello@.service": `# a comment\n${hello}` });
  await run("fleetctl submit hello@7");
  assert.deepEqual(await run("fleetctl cat hello@7"), { code: 0, out: hello, err: "" });
  assert.equal((await run("fleetctl cat nope")).err, "Unit nope.service not found\n");
  const missing = await run("fleetctl start other@7");
  assert.deepEqual(missing, {
    code: 1,
    out: "",
    err:
      "Error creating units: failed getting Unit(other@7.service) from template: " +
      "unable to find template Unit(other@.service) in Registry or on filesystem\n",
  });
  assert.equal(
    (await run("fleetctl start hello@.service")).err,
    'Error starting units: googleapi: Error 400: cannot activate template "hello@.service"\n',
  );
});

test("a differing file is pointed out, and --replace writes it", async () => {
  const { registry, run } = cluster();
  await run("fleetctl submit a.service", { "a.service": hello });
  const files = { "a.service": "[Service]\nExecStart=/bin/sleep 102\n" };
  assert.equal(
    (await run("fleetctl submit a.service", files)).err,
    "WARNING: Unit a.service in registry differs from local unit file a.service. Add --replace to override.\n",
  );
  assert.equal((await run("fleetctl submit --replace a.service", files)).out, "Unit a.service inactive\n");
  assert.equal(registry.view().units.get("a.service")?.text, files["a.service"]);
  assert.equal(
    (await run("fleetctl submit --replace a.service", files)).out,
    "Found same Unit(a.service) in Registry, nothing to do\n",
  );
  await registry.setTarget("a.service", "launched");
  assert.equal(
    (await run("fleetctl submit --replace a.service", { "a.service": hello })).err,
    "Warning: can not replace Unit(a.service) in state 'launched', use the appropriate command\n",
  );
});

test("bad input changes nothing: when one argument is bad, none is written", async () => {
  const { registry, run } = cluster();
  const files = {
    "good.service": hello,
    "bad.service": "[Service\n",
    "two.service": `${hello}[X-Fleet]\nGlobal=true\nMachineID=x\n`,
  };
  const bad = await run("fleetctl submit good.service bad.service", files);
  assert.equal(bad.code, 1);
  assert.equal(
    bad.err,
    "Error creating units: failed getting Unit(bad.service) from file: unable to find end of section (line 1)\n",
  );
  const options = await run("fleetctl submit good.service two.service", files);
  assert.equal(
    options.err,
    "Error creating units: failed creating unit two.service: MachineID cannot be used with Global\n",
  );
  assert.equal(registry.view().units.size, 0);
  const name = await run("fleetctl submit a%b", { "a%b.service": hello });
  assert.match(name.err, /invalid character '%' in unit name/);
  const unknown = await run("fleetctl submit odd", { "odd.service": `${hello}[X-Fleet]\nFoo=1\n` });
  assert.equal(unknown.code, 0);
  assert.match(unknown.err, /Unit odd\.service: unrecognized requirement in \[X-Fleet\] section: "Foo"/);
});

test("status and journal come through the API", async () => {
  const { registry, run } = cluster();
  await run("fleetctl start --no-block a.service down.service", {
    "a.service": hello,
    "down.service": hello,
  });
  assert.deepEqual(await run("fleetctl status a.service"), {
    code: 1,
    out: "",
    err: "Unit a.service does not appear to be loaded.\n",
  });
  registry.setPlacement("a.service", one);
  registry.setPlacement("down.service", one);
  assert.deepEqual(await run("fleetctl status --no-block a.service down.service"), {
    code: 3,
    out: "* a.service\n   Loaded: loaded\n\n* down.service\n   Loaded: loaded\n",
    err: "",
  });
  assert.equal((await run("fleetctl status nope")).err, "Unit nope.service does not exist.\n");
  assert.equal((await run("fleetctl status --json nope a")).err, "Unit nope.service does not exist.\n");
  assert.equal((await run("fleetctl journal -n 5 --sudo a.service")).out, "a.service 5 short\n");
  assert.equal((await run("fleetctl journal")).err, "One unit file must be provided.\n");
  const json = JSON.parse((await run("fleetctl status --json a.service")).out) as {
    machine: { id: string };
  }[];
  assert.equal(json[0]?.machine.id, one);
});

test("nothing to do is no error, and a stop of an inactive unit is one", async () => {
  const { run } = cluster();
  for (const verb of ["submit", "load", "start", "stop", "unload", "destroy"]) {
    assert.deepEqual(await run(`fleetctl ${verb}`), { code: 0, out: "", err: "No units given\n" });
  }
  assert.equal((await run("fleetctl stop nope")).err, "Units not found in registry\n");
  await run("fleetctl submit a.service", { "a.service": hello });
  assert.deepEqual(await run("fleetctl stop a.service"), {
    code: 1,
    out: "",
    err: "Unable to stop unit a.service in state inactive\n",
  });
});

test("commands may be shortened, unknown ones and flags are refused, versions and help are there", async () => {
  const { run } = cluster();
  assert.equal((await run("fleetctl unl")).err, "No units given\n");
  assert.equal((await run("fleetctl list-u")).code, 2);
  assert.equal((await run("fleetctl vers")).out, "fleetctl version 1.0.0\n");
  assert.equal((await run("fleetctl h")).out, (await run("fleetctl help")).out);
  assert.equal((await run("fleetctl start --nope")).code, 2);
  assert.equal((await run("fleetctl version")).out, "fleetctl version 1.0.0\n");
  const { out } = await run("fleetctl help");
  for (const line of ["fleetctl", "fleetctl --help", "fleetctl -h", "fleetctl --h"]) {
    assert.deepEqual(await run(line), { code: 0, out, err: "" }, line);
  }
  assert.equal((await run("fleetctl --version")).out, "fleetctl version 1.0.0\n");
  assert.equal((await run("fleetctl -v")).out, "fleetctl version 1.0.0\n");
  assert.deepEqual(JSON.parse((await run("fleetctl version --json")).out), {
    name: "fleetctl",
    version: "1.0.0",
  });
  assert.equal((await run("fleetctl version --nope")).code, 2);
  assert.match((await run("fleetctl version --help")).out, /EXAMPLES:/);
  for (const line of ["fleetctl help start", "fleetctl --help start", "fleetctl -h star now"])
    assert.equal((await run(line)).out, (await run("fleetctl start --help")).out, line);
  for (const title of ["NAME", "USAGE", "VERSION", "COMMANDS", "DESCRIPTION", "GLOBAL OPTIONS"]) {
    assert.match(out, new RegExp(`^${title}:$`, "m"));
  }
});

test("list-machines tells states when there is one to tell, or when asked", async () => {
  const { registry, run } = cluster();
  assert.match((await run("fleetctl list-machines")).out, /^MACHINE\t\tIP\t\tMETADATA\n/);
  assert.equal((await run("fleetctl list-machines --no-legend --fields=state 1")).out, "ready\n");
  await registry.cordon({ machine: two, sinceMs: 0 });
  assert.equal(
    (await run("fleetctl list-machines")).out,
    "MACHINE\t\tIP\t\tMETADATA\t\tSTATE\n" +
      "11111111...\t10.0.0.1\taz=a,region=us-west\tready\n" +
      "22222222...\t10.0.0.2\t-\t\t\tcordoned\n" +
      "33333333...\t10.0.0.3\t-\t\t\tready\n",
  );
  assert.equal((await run("fleetctl list-machines --no-legend --fields=ip 2")).out, "10.0.0.2\n");
  const json = JSON.parse((await run("fleetctl list-machines --json 2")).out) as { state: string }[];
  assert.deepEqual(
    json.map(({ state }) => state),
    ["cordoned"],
  );
});
