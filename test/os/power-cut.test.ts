import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { machinesFolder, testImage } from "../qemu/images.ts";
import { blessedPattern, bootLimitMs, Machine } from "../qemu/machine.ts";
import { Channel, pointAt, sysupdate } from "./channel.ts";

/** Whenever the power goes during an update, a version boots that is whole, and the update works when it is tried again. */

const versions = ["2", "3", "4"];
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
  await machine.console.waitFor(blessedPattern("1"), bootLimitMs);
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
  await channel?.[Symbol.asyncDispose]();
});

/** When the power goes: at a share of the bytes served, or at something that the machine does. */
interface CutPoint {
  readonly name: string;
  /** Of the bytes of the version, between 0 and 1. */
  readonly served?: number;
  /** Behind the reboot: at a line on the console. */
  readonly line?: RegExp;
}

const cuts: readonly CutPoint[] = [
  { name: "when nothing is written yet", served: 0 },
  { name: "with a twentieth written", served: 0.05 },
  { name: "with a quarter written", served: 0.25 },
  { name: "with half written", served: 0.5 },
  { name: "with three quarters written", served: 0.75 },
  { name: "with nearly all written", served: 0.95 },
  { name: "when all was sent", served: 1 },
  { name: "as soon as the version is installed" },
  { name: "when the new version's kernel begins", line: /EFI stub: Loaded initrd/ },
  { name: "when the new version is about to be judged", line: /boot-health: / },
];

for (const cut of cuts) {
  test(`a power cut ${cut.name} leaves a version that boots`, async () => {
    const running = await runningVersion();
    const next = versions[versions.indexOf(running) + 1] ?? assert.fail("all versions are used up");
    if (!channel.has(next)) await channel.publish(next);
    await pointAt(machine, channel);
    if (cut.served === undefined) await machine.expect(`${sysupdate} update`);
    else {
      const reached = channel.whenServed(next, cut.served);
      const update = machine.run(`${sysupdate} update`).catch(() => undefined);
      await Promise.race([reached, update]);
      await machine.cutPower();
      await update;
    }
    if (cut.line !== undefined) {
      await machine.run("systemctl reboot");
      await machine.console.waitFor(cut.line, bootLimitMs);
    }
    await machine.cutPower();
    await machine.powerOn();
    await machine.console.waitFor(/Argosy \d+ is up: this boot is good/, bootLimitMs);
    const now = await runningVersion();
    assert.ok([running, next].includes(now), `${now} runs`);
    if (cut.served !== undefined && cut.served < 1) assert.equal(now, running);
  });
}

test("after all of it, the update works", async () => {
  const last = versions.at(-1) ?? assert.fail();
  if (!channel.has(last)) await channel.publish(last);
  await pointAt(machine, channel);
  if ((await runningVersion()) !== last) {
    await machine.expect(`${sysupdate} update`);
    await machine.run("systemctl reboot");
    await machine.console.waitFor(blessedPattern(last), bootLimitMs);
  }
  assert.equal(await runningVersion(), last);
});

async function runningVersion(): Promise<string> {
  return (await machine.expect(". /etc/os-release; echo $IMAGE_VERSION")).trim();
}
