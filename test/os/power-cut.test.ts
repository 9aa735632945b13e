import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { machinesFolder, testImage } from "../qemu/images.ts";
import { bootLimitMs, Machine } from "../qemu/machine.ts";
import { Channel, pointAt, sysupdate } from "./channel.ts";

/** Whenever the power goes during an update, a version boots that is whole, and the update works when it is tried again. */

/** The second is only built when the power went too late to stop the first. */
const newer = ["2", "3"];
let channel: Channel;
let machine: Machine;

before(async () => {
  channel = await Channel.open(`power-${process.pid}-channel`);
  const { disk } = await testImage("1");
  machine = await Machine.start({
    name: "power",
    folder: `${machinesFolder}/power-${process.pid}`,
    image: disk,
  });
  assert.equal(await versionThatComesUp(), "1");
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await channel?.[Symbol.asyncDispose]();
});

/** At which share of a version's bytes the power goes while it is fetched and written. */
const shares: Readonly<Record<string, number>> = {
  "when nothing is written yet": 0,
  "with a twentieth sent": 0.05,
  "with a quarter sent": 0.25,
  "with half sent": 0.5,
  "with three quarters sent": 0.75,
  "with nearly all sent": 0.95,
  "when all was sent": 1,
};

for (const [moment, share] of Object.entries(shares)) {
  test(`a power cut ${moment} leaves a version that boots`, async () => {
    const { running, next } = await aim();
    const reached = channel.whenServed(next, share);
    const update = machine.run(`${sysupdate} update`).catch(() => undefined);
    const first = await Promise.race([reached.then(() => "sent"), update.then(() => "ended")]);
    assert.equal(first, "sent");
    await machine.cutPower();
    await update;
    await machine.powerOn();
    const now = await versionThatComesUp();
    // What was sent last may have been written before the power went; the version is whole then.
    assert.ok(now === running || (share === 1 && now === next), `${now} came up instead of ${running}`);
    console.log(`power cut ${moment}: ${now} came up`);
  });
}

test("an update works after all of it, also when the power goes three times more before it is judged", async () => {
  const { next } = await aim();
  // systemd-sysupdate ends before the disk has its file; update-engine waits for the disk as well.
  await machine.expect(`${sysupdate} update && sync`);
  // As soon as it is installed; when its kernel begins; when it is well and the loader has not heard of it.
  await machine.cutPower();
  for (const line of [/EFI stub: Loaded initrd/, /boot-health: /]) {
    await machine.powerOn();
    await machine.console.waitFor(line, bootLimitMs);
    await machine.cutPower();
  }
  await machine.powerOn();
  assert.equal(await versionThatComesUp(), next);
  assert.equal(await machine.expect("/usr/lib/systemd/systemd-bless-boot status"), "good\n");
});

/** Has the machine fetch the version after the one that runs. */
async function aim(): Promise<{ readonly running: string; readonly next: string }> {
  const running = (await machine.expect(". /etc/os-release; echo $IMAGE_VERSION")).trim();
  const next = newer.find((version) => version > running) ?? assert.fail("all versions are used up");
  if (!channel.has(next)) await channel.publish(next);
  await pointAt(machine, channel);
  return { running, next };
}

/** Waits until the machine calls its boot good, and tells of which version it was. */
async function versionThatComesUp(): Promise<string> {
  const pattern = /Argosy (\d+) is up: this boot is good/;
  return pattern.exec(await machine.console.waitFor(pattern, bootLimitMs))?.[1] ?? assert.fail();
}
