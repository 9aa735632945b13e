import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { slotsContract } from "../update/slots-contract.ts";
import { ReleaseShelf } from "./fake-release-shelf.ts";
import { sysupdateWorld } from "./fake-sysupdate-machine.ts";

// With a program that stands in for systemd-sysupdate, which Debian 12 does not have.

let shelf: ReleaseShelf;
let program: string;

before(async () => {
  shelf = await ReleaseShelf.open();
  program = join(shelf.folder, "systemd-sysupdate");
  const script = fileURLToPath(new URL("fake-sysupdate.ts", import.meta.url));
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
  chmodSync(program, 0o755);
});

after(async () => await shelf.close());

slotsContract("sysupdate", async () => await sysupdateWorld(shelf, program));

test("a version whose kernel a power cut has emptied is not there, and can be installed again", async () => {
  const world = await sysupdateWorld(shelf, program);
  try {
    const offer = await world.publish("2");
    const install = async (): Promise<void> => {
      const { signal } = new AbortController();
      await (await world.open()).install(offer, offer.folders[0] ?? "", () => undefined, signal);
    };
    await install();
    const [kernel = ""] = readdirSync(world.entryFolder).filter((name) => name.startsWith("app_2"));
    const path = join(world.entryFolder, kernel);
    const whole = readFileSync(path);
    rmSync(path);
    writeFileSync(path, "");
    assert.deepEqual((await (await world.open()).look()).others, []);
    await install();
    assert.deepEqual(readFileSync(path), whole);
    assert.deepEqual((await (await world.open()).look()).others, [{ version: "2", state: "untried" }]);
  } finally {
    await world.close();
  }
});
