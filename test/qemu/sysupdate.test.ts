import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { archives, toolsTree } from "../../image/tools-tree.ts";
import { ReleaseShelf } from "../../src/daemon/fake-release-shelf.ts";
import { sysupdateWorld } from "../../src/daemon/fake-sysupdate-machine.ts";
import { slotsContract } from "../../src/update/slots-contract.ts";

// The contract of slots with Debian 13's own systemd-sysupdate, out of the tree with the tools that build the image.

let shelf: ReleaseShelf;
let program: string;

before(async () => {
  const tree = await toolsTree(await archives(), () => {}, AbortSignal.timeout(30 * 60_000));
  shelf = await ReleaseShelf.open();
  program = join(shelf.folder, "systemd-sysupdate");
  // Mounts of its own, which go with the process; the folders of the test are below /tmp.
  const enter = [
    `mount --bind ${tree} ${tree}`,
    `mount --rbind /tmp ${tree}/tmp`,
    `mount --bind /proc ${tree}/proc`,
    `mount --rbind /dev ${tree}/dev`,
    `mount -t tmpfs tmpfs ${tree}/run`,
    `mount -t tmpfs tmpfs ${tree}/etc/systemd`,
    `cp ${shelf.keyring} ${tree}/etc/systemd/import-pubring.gpg`,
    `exec chroot ${tree} /usr/lib/systemd/systemd-sysupdate "$@"`,
  ].join(" && ");
  writeFileSync(program, `#!/bin/sh\nexec unshare --mount --propagation private sh -c '${enter}' sh "$@"\n`);
  chmodSync(program, 0o755);
});

after(async () => await shelf.close());

slotsContract("systemd-sysupdate", async () => await sysupdateWorld(shelf, program));
