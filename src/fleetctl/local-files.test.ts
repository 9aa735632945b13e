import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster, hello, obedient, one } from "./cluster-fixture.ts";

const other = "[Service]\nExecStart=/bin/sleep 102\n";

test("of two files for one unit the first counts, the other is warned of, and --replace asks which is meant", async () => {
  const { registry, run } = cluster();
  const files = { "a.service": hello, "b/a.service": other, "c/a.service": hello };
  const warned = await run("fleetctl submit a.service b/a.service c/a.service", files);
  assert.deepEqual(warned, {
    code: 0,
    out: "Unit a.service inactive\n",
    err: "WARNING: Unit a.service in registry differs from local unit file b/a.service. Add --replace to override.\n",
  });
  assert.equal(registry.view().units.get("a.service")?.text, hello);
  // Now the registry has it, and one of them says something else.
  assert.equal((await run("fleetctl submit a.service b/a.service", files)).err, warned.err);
  assert.deepEqual(await run("fleetctl submit --replace b/a.service a.service", files), {
    code: 1,
    out: "",
    err: "Error creating units: two files that differ are given for Unit(a.service): b/a.service and a.service; name one of them\n",
  });
  assert.equal(registry.view().units.get("a.service")?.text, hello);
  assert.deepEqual(await run("fleetctl submit a a.service ./a.service c/a", files), {
    code: 0,
    out: "",
    err: "",
  });
});

test("a file that is no text is refused in few words, and nothing of it gets to the terminal", async () => {
  const { run } = cluster();
  const files = {
    "binary.service": "\u007fELF\u0000[Service]\n",
    "escapes.service": `[\u001b[2J] ${"x\u001b".repeat(500)}\n`,
  };
  assert.equal(
    (await run("fleetctl start binary", files)).err,
    "Error creating units: failed getting Unit(binary.service) from file: it is not text\n",
  );
  const { err } = await run("fleetctl start escapes", files);
  assert.match(err, /found garbage after section name \\x1b\[2J?/);
  assert.doesNotMatch(err.trimEnd(), /\p{Cc}/u);
  assert.ok(err.length < 400, err);
});

test("a description of several lines is one cell", async () => {
  const { run } = cluster();
  const text = "[Unit]\nDescription=first \\\n  second \u001b[31m\n[Service]\nExecStart=/bin/true\n";
  await run("fleetctl submit a", { "a.service": text });
  assert.equal(
    (await run("fleetctl list-unit-files --no-legend --fields=unit,desc")).out,
    "a.service\tfirst second \ufffd[31m\n",
  );
});

test("start of a unit that has ended well says so, and how to run it again", async () => {
  const { registry, run } = cluster();
  obedient(registry, one, { active: "inactive", sub: "dead", result: "success" });
  await run("fleetctl start a", { "a.service": hello });
  assert.deepEqual(await run("fleetctl start a"), {
    code: 0,
    out: "",
    err: "Unit a.service was started before and has ended on 11111111.../10.0.0.1; to run it again: fleetctl restart a.service\n",
  });
});
