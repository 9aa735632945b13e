import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
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
