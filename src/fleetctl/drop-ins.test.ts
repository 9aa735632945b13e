import assert from "node:assert/strict";
import { test } from "node:test";
import { cluster } from "./cluster-fixture.ts";

const unit = "[Service]\nExecStart=/bin/a\n";

test("drop-ins beside a unit's file are submitted with it, in the order of their names", async () => {
  const { run, registry } = cluster();
  const files = {
    "units/web.service": unit,
    "units/web.service.d/20-b.conf": "[Service]\nExecStart=/bin/b\n",
    "units/web.service.d/10-a.conf": "[Service]\nExecStart=\n",
    "units/web.service.d/README": "not a drop-in",
  };
  const { code, err } = await run("fleetctl submit units/web.service units/web.service.d", files);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual([...registry.view().units.keys()], ["web.service"]);
  assert.equal(
    registry.view().units.get("web.service")?.text,
    "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n",
  );
  // The same again differs in nothing; without the folder it does.
  assert.equal((await run("fleetctl submit units/web.service", files)).err, "");
  assert.match(
    (await run("fleetctl submit web.service", { "web.service": unit })).err,
    /differs from local unit file/,
  );
});

test("an instance has its template's drop-ins and its own, which count more", async () => {
  const { run, registry } = cluster();
  const files = {
    "web@.service": unit,
    "web@.service.d/a.conf": "[Service]\nNice=1\n",
    "web@.service.d/b.conf": "[Service]\nMemoryMax=1G\n",
    "web@2.service.d/a.conf": "[Service]\nNice=2\n",
  };
  await run("fleetctl submit web@1 web@2", files);
  const textOf = (name: string) => registry.view().units.get(name)?.text;
  assert.equal(textOf("web@1.service"), `${unit}Nice=1\nMemoryMax=1G\n`);
  assert.equal(textOf("web@2.service"), `${unit}Nice=2\nMemoryMax=1G\n`);
  // A template in the registry has its drop-ins in it.
  await run("fleetctl submit web@.service", files);
  assert.equal(textOf("web@.service"), `${unit}Nice=1\nMemoryMax=1G\n`);
  await run("fleetctl submit web@3", { "web@3.service.d/c.conf": "[Service]\nNice=3\n" });
  assert.equal(textOf("web@3.service"), `${unit}Nice=1\nMemoryMax=1G\nNice=3\n`);
});

test("a drop-in that does not parse is refused with its file and line", async () => {
  const { run, registry } = cluster();
  const files = { "web.service": unit, "web.service.d/a.conf": "[Service]\nNice" };
  const { code, err } = await run("fleetctl submit web.service", files);
  assert.equal(code, 1);
  assert.match(err, /failed getting Unit\(web\.service\.d\/a\.conf\) from file: EOF \(line 2\)/);
  assert.equal(registry.view().units.size, 0);
});
