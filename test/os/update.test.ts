import assert from "node:assert/strict";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { makeSigningKey, signingKey } from "../../image/signing-key.ts";
import { machinesFolder, testImage, testKey } from "../qemu/images.ts";
import { blessedPattern, bootLimitMs, freePort, Machine } from "../qemu/machine.ts";
import { UpdateService } from "./update-service.ts";

/** One machine through its life: a forged version, a good one, and one that does not come up well. */

let service: UpdateService;
let machine: Machine;
let identity: string;
const scratch = `${machinesFolder}/update-${process.pid}-files`;

before(async () => {
  service = new UpdateService(`update-${process.pid}-service`, `127.0.0.1:${await freePort()}`, "10.0.2.2");
  const { disk } = await testImage("1");
  machine = await Machine.start({
    name: "update",
    folder: `${machinesFolder}/update-${process.pid}`,
    image: disk,
    cloudConfig: `#cloud-config\ncoreos:\n  update:\n    group: stable\n    server: ${service.url}\n    reboot-strategy: "off"\n`,
  });
  await machine.console.waitFor(blessedPattern("1"), bootLimitMs);
  identity = await machine.expect("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub");
  await machine.expect("echo mine > /etc/kept && echo mine > /var/lib/kept");
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await service?.[Symbol.asyncDispose]();
  await rm(scratch, { recursive: true, force: true });
});

/** The names of the partitions that are slots, from the disk itself: udev keeps what it saw at the boot. */
async function slots(): Promise<readonly string[]> {
  const names = await machine.expect("partx --show --noheadings --output NAME /dev/vda");
  return names.split("\n").filter((name) => /^(argosy|_empty)/.test(name));
}

async function runningVersion(): Promise<string> {
  return (await machine.expect(". /etc/os-release; echo $IMAGE_VERSION")).trim();
}

async function refused(): Promise<readonly string[]> {
  const report = JSON.parse(await machine.expect("argosy update status --json")) as {
    refused: { version: string }[];
  };
  return report.refused.map(({ version }) => version);
}

test("a version that somebody else signed is refused, and the slots stay as they are", async () => {
  await service.publish("2");
  await mkdir(scratch, { recursive: true });
  await makeSigningKey(`${scratch}/stranger.gpg`, "Stranger");
  {
    await using stranger = await signingKey(`${scratch}/stranger.gpg`);
    await service.signWith("2", stranger);
  }
  const { code, stdout } = await machine.run("argosy update check");
  assert.equal(code, 1);
  assert.match(stdout, /signature/i);
  assert.deepEqual(await slots(), ["argosy_1_verity", "argosy_1", "_empty", "_empty"]);
  assert.deepEqual(await refused(), ["2"]);
});

test("a signed version is installed into the other slot, boots, and keeps what is the machine's own", async () => {
  {
    await using key = await testKey();
    await service.signWith("2", key);
  }
  assert.match(await machine.expect("argosy update check --again"), /2 is installed and waits for a reboot/);
  assert.deepEqual(await slots(), ["argosy_1_verity", "argosy_1", "argosy_2_verity", "argosy_2"]);
  await machine.run("systemctl reboot");
  await machine.console.waitFor(blessedPattern("2"), bootLimitMs);
  assert.equal(await runningVersion(), "2");
  assert.equal(await machine.expect("/usr/lib/systemd/systemd-bless-boot status"), "good\n");
  assert.equal(await machine.expect("cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"), identity);
  assert.equal(await machine.expect("cat /etc/kept /var/lib/kept"), "mine\nmine\n");
});

test("a version that does not come up well is tried, the one before boots again by itself, and it is never tried again", async () => {
  const good = await runningVersion();
  const system = `${scratch}/broken/usr/lib/systemd/system`;
  await mkdir(`${system}/multi-user.target.wants`, { recursive: true });
  await writeFile(
    `${system}/spoilt.service`,
    "[Unit]\nBefore=boot-health.service\n[Service]\nType=oneshot\nExecStart=/bin/false\n",
  );
  await symlink("../spoilt.service", `${system}/multi-user.target.wants/spoilt.service`);
  await service.publish("3", { overlay: `${scratch}/broken` });
  assert.match(await machine.expect("argosy update check"), /3 is installed and waits for a reboot/);
  await machine.run("systemctl reboot");
  await machine.console.waitFor(/boot-health: failed units of the image: spoilt\.service/, bootLimitMs);
  await machine.console.waitFor(blessedPattern(good), 4 * bootLimitMs);
  assert.equal(await runningVersion(), good);
  assert.deepEqual(await refused(), ["3"]);
  await machine.run("argosy update check");
  const { phase } = JSON.parse(await machine.expect("argosy update status --json")) as { phase: string };
  assert.notEqual(phase, "reboot-wanted");
  assert.ok((await machine.expect("ls /boot/EFI/Linux")).includes(`argosy_${good}.efi\n`));
});
