import assert from "node:assert/strict";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { machinesFolder, testImage, testKey } from "../qemu/images.ts";
import { blessedPattern, bootLimitMs, Machine } from "../qemu/machine.ts";
import { makeSigningKey, signingKey } from "../../image/signing-key.ts";
import { signFolder } from "../../image/release.ts";
import { Channel, pointAt, sysupdate } from "./channel.ts";

/** One machine through its life: a forged version, a good one, and one that does not come up well. */

let channel: Channel;
let machine: Machine;
let identity: string;
const scratch = `${machinesFolder}/update-${process.pid}-files`;

before(async () => {
  channel = await Channel.open(`update-${process.pid}-channel`);
  const { disk } = await testImage("1");
  machine = await Machine.start({
    name: "update",
    folder: `${machinesFolder}/update-${process.pid}`,
    image: disk,
  });
  await machine.console.waitFor(blessedPattern("1"), bootLimitMs);
  identity = await machine.expect("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub");
  await machine.expect("echo mine > /etc/kept && echo mine > /var/lib/kept");
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await channel?.[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

async function slots(): Promise<readonly string[]> {
  const table = await machine.expect("sfdisk --json /dev/vda");
  const { partitiontable } = JSON.parse(table) as { partitiontable: { partitions: { name?: string }[] } };
  return partitiontable.partitions.flatMap(({ name = "" }) => (/^(argosy|_empty)/.test(name) ? [name] : []));
}

test("a version that somebody else signed is refused, and the slots stay as they are", async () => {
  await channel.publish("2");
  await mkdir(scratch, { recursive: true });
  await makeSigningKey(`${scratch}/stranger.gpg`, "Stranger");
  {
    await using stranger = await signingKey(`${scratch}/stranger.gpg`);
    await signFolder(channel.folder, stranger);
  }
  await pointAt(machine, channel);
  const { code, stderr } = await machine.run(`${sysupdate} update`);
  assert.notEqual(code, 0);
  assert.match(stderr, /signature/i);
  assert.deepEqual(await slots(), ["argosy_1_verity", "argosy_1", "_empty", "_empty"]);
});

test("a signed version is installed into the other slot, boots, and keeps what is the machine's own", async () => {
  {
    await using key = await testKey();
    await signFolder(channel.folder, key);
  }
  await machine.expect(`${sysupdate} update`);
  assert.deepEqual(await slots(), ["argosy_1_verity", "argosy_1", "argosy_2_verity", "argosy_2"]);
  await machine.run("systemctl reboot");
  await machine.console.waitFor(blessedPattern("2"), bootLimitMs);
  assert.equal(await machine.expect(". /etc/os-release; echo $IMAGE_VERSION"), "2\n");
  assert.equal(await machine.expect("/usr/lib/systemd/systemd-bless-boot status"), "good\n");
  assert.equal(await machine.expect("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"), identity);
  assert.equal(await machine.expect("cat /etc/kept /var/lib/kept"), "mine\nmine\n");
});

test("a version that does not come up well is tried three times, and the one before boots again by itself", async () => {
  const system = `${scratch}/broken/usr/lib/systemd/system`;
  await mkdir(`${system}/multi-user.target.wants`, { recursive: true });
  await writeFile(
    `${system}/spoilt.service`,
    "[Unit]\nBefore=boot-health.service\n[Service]\nType=oneshot\nExecStart=/bin/false\n",
  );
  await symlink("../spoilt.service", `${system}/multi-user.target.wants/spoilt.service`);
  await channel.publish("3", { overlay: `${scratch}/broken` });
  await pointAt(machine, channel);
  await machine.expect(`${sysupdate} update`);
  await machine.run("systemctl reboot");
  for (let tried = 1; tried <= 3; tried += 1) {
    await machine.console.waitFor(/boot-health: failed units of the image: spoilt\.service/, bootLimitMs);
    await machine.console.waitFor(
      /boot-rollback: version 3 failed its health check; booting again/,
      bootLimitMs,
    );
  }
  await machine.console.waitFor(blessedPattern("2"), 2 * bootLimitMs);
  assert.equal(await machine.expect(". /etc/os-release; echo $IMAGE_VERSION"), "2\n");
  assert.match(await machine.expect("ls /boot/EFI/Linux"), /argosy_3\+0-3\.efi/);
});
