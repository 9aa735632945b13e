import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { machinesFolder, testImage } from "./images.ts";
import { blessedPattern, bootLimitMs, Machine } from "./machine.ts";

/** One machine, one boot: the image from this checkout configures itself and becomes a healthy member. */

const cloudConfig = `#cloud-config
hostname: harbour
coreos:
  etcd2:
    name: harbour
    initial-cluster: harbour=http://127.0.0.1:2380
    initial-advertise-peer-urls: http://127.0.0.1:2380
    listen-peer-urls: http://127.0.0.1:2380
    listen-client-urls: http://127.0.0.1:2379
    advertise-client-urls: http://127.0.0.1:2379
  fleet:
    metadata: disk=ssd
  units:
    - name: etcd2.service
      command: start
    - name: fleet.service
      command: start
    - name: lantern.service
      command: start
      content: |
        [Unit]
        Description=A unit of the cloud-config
        [Service]
        ExecStart=/usr/bin/sleep infinity
write_files:
  - path: /etc/harbour
    content: |
      calm
`;

let machine: Machine;
let version: string;

before(async () => {
  const image = await testImage("1");
  version = image.version;
  machine = await Machine.start({
    name: "boot",
    folder: `${machinesFolder}/boot-${process.pid}`,
    image: image.disk,
    cloudConfig,
  });
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
});

test("the machine boots from the image, finds itself healthy and keeps the version", async () => {
  await machine.console.waitFor(blessedPattern(version), bootLimitMs);
  const told = await machine.expect(
    ". /etc/os-release; echo $IMAGE_ID $IMAGE_VERSION ${BUILD_ID:+built}; /usr/lib/systemd/systemd-bless-boot status; ls /boot/EFI/Linux",
  );
  assert.match(told, /^argosy 1 built\ngood\nargosy_1\.efi\n$/);
});

test("it is what its cloud-config says", async () => {
  const told = await machine.expect("hostname; cat /etc/harbour; systemctl is-active lantern.service");
  assert.equal(told, "harbour\ncalm\nactive\n");
});

test("it is a healthy member of a cluster, and fleet starts a unit with a container on it", async () => {
  assert.match(await machine.expect("etcdctl cluster-health"), /cluster is healthy/);
  assert.match(await machine.expect("fleetctl list-machines --no-legend"), /disk=ssd/);
  const asCore = "runuser --user core -- sh -c 'fleetctl list-machines --no-legend && docker version'";
  assert.match(await machine.expect(asCore), /disk=ssd/);
  // An image without a registry: the container sees the machine's own /usr.
  await machine.expect("tar --create --directory=/ bin lib lib64 sbin | docker import - local");
  const unit = `[Service]
ExecStart=/usr/bin/docker run --rm --name keeper --network=none --volume=/usr:/usr:ro local /usr/bin/sleep infinity
ExecStop=/usr/bin/docker stop --time=1 keeper
[X-Fleet]
MachineMetadata=disk=ssd
`;
  await machine.expect("cat > /tmp/keeper.service && fleetctl start /tmp/keeper.service", unit);
  assert.match(
    await machine.expect("fleetctl list-units --no-legend"),
    /keeper\.service\t.*\tactive\trunning/,
  );
});

test("nothing can change what it runs: /usr is checked and read-only, and there is no package manager", async () => {
  const { code } = await machine.run("touch /usr/bin/intruder");
  assert.notEqual(code, 0);
  const told = await machine.expect(
    "findmnt --noheadings --output FSTYPE,SOURCE /usr; findmnt --noheadings --output FSTYPE /etc; for each in apt apt-get dpkg perl python3; do command -v $each; done; true",
  );
  assert.match(told, /^erofs +\/dev\/mapper\/usr\noverlay\n$/);
});

test("it made its second slot, its state and its identity at this first boot", async () => {
  const labels = await machine.expect(
    "partx --show --noheadings --output NAME /dev/vda | sort | uniq --count",
  );
  assert.match(labels, /1 argosy_1\n/);
  assert.match(labels, /2 _empty\n/);
  assert.match(labels, /1 state\n/);
  assert.match(await machine.expect("cat /etc/machine-id"), /^[0-9a-f]{32}\n$/);
});
