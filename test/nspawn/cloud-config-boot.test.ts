import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { testLab } from "./lab-name.ts";

// The order of a boot: the network is set up by what the cloud-config brings, nobody waits in a circle, and what needs an
// address waits for one without stopping anything.

const name = testLab("boot-order");
let machine: Machine;

const cloudConfig = `#cloud-config
write_files:
  - path: /etc/pier
    content: $private_ipv4
coreos:
  units:
    - name: 50-pier.netdev
      content: |
        [NetDev]
        Name=pier0
        Kind=bridge
    - name: 50-pier.network
      content: |
        [Match]
        Name=pier0
        [Network]
        Address=10.99.0.1/24
        ConfigureWithoutCarrier=yes
    - name: behind-all.service
      command: start
      content: |
        [Unit]
        After=multi-user.target
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/cat /etc/pier
`;

before(async () => {
  await labDown(name);
  const product = await builtProduct(() => {});
  const store = { by: "cloud-config", way: "config-drive", joins: false } as const;
  const lab = await labUp({
    name,
    machines: 1,
    store,
    product,
    cloudConfig: Buffer.from(cloudConfig),
  });
  machine = lab.machine("m1");
});
after(async () => await labDown(name));

async function shell(script: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(["sh", "-c", script]);
  assert.equal(code, 0, `${script}: ${stderr}${stdout}`);
  return stdout;
}

/** Waits until a script succeeds; the limit is only for what never comes true. */
async function until(script: string): Promise<void> {
  await shell(`timeout 90 sh -c 'until ${script}; do sleep 0.2; done'`);
}

/** When a unit became active, in microseconds since the boot of this computer. */
async function activeSince(unit: string): Promise<number> {
  return Number(await shell(`systemctl show --value -p ActiveEnterTimestampMonotonic ${unit}`));
}

test("the network comes up as the cloud-config has it, behind the units that apply it", async () => {
  const applied = await activeSince("user-configdrive.service");
  assert.ok(applied > 0);
  assert.ok(applied <= (await activeSince("network-pre.target")));
  assert.ok(applied <= (await activeSince("user-config.target")));
  await until("ip -br address show pier0 | grep -q 10.99.0.1");
});

test("a unit that waits for the whole boot does not stop it", async () => {
  await until("systemctl is-active behind-all.service");
  assert.equal(await shell("cat /etc/pier"), machine.address);
  assert.doesNotMatch(
    await shell("journalctl --sync; journalctl -b -o cat _PID=1"),
    /ordering cycle|deadlock/i,
  );
  assert.equal(await shell("systemctl --failed --plain --no-legend"), "");
});

test("what needs an address waits for one behind the network, and the rest does not", async () => {
  await shell(`ip address delete ${machine.address}/24 dev eth0; ip address flush dev pier0; rm /etc/pier`);
  await shell("systemctl restart user-configdrive.service");
  const said = await machine.exec(["argosy", "cloud-config", "status"]);
  assert.match(said.stdout, /config-drive \/media\/configdrive +waiting/);
  assert.equal(said.code, 1);
  await shell("! test -e /etc/pier && test -e /etc/systemd/network/50-pier.network");
  const late = (await shell("systemctl list-units --plain --no-legend 'user-cloudinit-late@*'")).split(
    " ",
  )[0];
  // The last change is the one that is waited for: an address that others can reach.
  await shell(`ip address add ${machine.address}/24 dev eth0`);
  await shell(`systemctl start ${late}`);
  assert.equal(await shell("cat /etc/pier"), machine.address);
  assert.match(await shell("argosy cloud-config status"), /applied/);
  assert.match(
    await shell("cat /etc/environment"),
    new RegExp(`^COREOS_PRIVATE_IPV4=${machine.address}$`, "m"),
  );
});
