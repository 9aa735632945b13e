import assert from "node:assert/strict";
import { test } from "node:test";
import type { LabRecord, MachineRecord } from "./layout.ts";
import { machineSettings, usualMembers } from "./settings.ts";

function lab(count: number, members: number): LabRecord {
  const machines = Array.from({ length: count }, (_, index) => ({
    name: `m${index + 1}`,
    number: index + 1,
    id: String(index + 1).repeat(32),
  }));
  return {
    format: 1,
    name: "lab",
    network: "10.1.2",
    members,
    metadata: ["rack=a"],
    rootFileSystem: "/r",
    machines,
  };
}

function settingsOf(record: LabRecord, number: number): Record<string, string> {
  const machine = record.machines[number - 1] satisfies MachineRecord | undefined;
  assert(machine !== undefined);
  return Object.fromEntries(
    machineSettings(record, machine).map((setting) => [
      setting.path,
      "text" in setting ? setting.text : `-> ${setting.target}`,
    ]),
  );
}

test("a machine that knows nothing but a cloud-config has no settings, and no name of its own", () => {
  const record: LabRecord = {
    ...lab(2, 1),
    store: { by: "cloud-config", way: "credential", joins: true },
  };
  const settings = settingsOf(record, 2);
  assert.deepEqual(Object.keys(settings).sort(), ["/etc/hostname", "/etc/hosts", "/etc/machine-id"]);
  assert.equal(settings["/etc/hostname"], "localhost\n");
  assert.equal(settings["/etc/hosts"], "127.0.0.1 localhost\n::1 localhost\n10.1.2.1 host\n");
});

test("a member has its own member first among the endpoints and knows all members", () => {
  const settings = settingsOf(lab(4, 3), 2);
  assert.equal(
    settings["/etc/argosy/argosy.env"],
    "ARGOSY_STORE_ENDPOINTS=http://127.0.0.1:2379,http://10.1.2.11:2379,http://10.1.2.13:2379\n",
  );
  assert.deepEqual(settings["/etc/argosy/etcd-member.env"]?.trim().split("\n"), [
    "ETCD_NAME=m2",
    "ETCD_INITIAL_CLUSTER=m1=http://10.1.2.11:2380,m2=http://10.1.2.12:2380,m3=http://10.1.2.13:2380",
    "ETCD_INITIAL_CLUSTER_STATE=new",
    "ETCD_INITIAL_CLUSTER_TOKEN=argosy-lab",
    "ETCD_INITIAL_ADVERTISE_PEER_URLS=http://10.1.2.12:2380",
    "ETCD_LISTEN_PEER_URLS=http://10.1.2.12:2380",
    "ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379,http://10.1.2.12:2379",
    "ETCD_ADVERTISE_CLIENT_URLS=http://10.1.2.12:2379",
  ]);
});

test("a machine that is no member uses the members' endpoints and is told of no cluster to found", () => {
  const settings = settingsOf(lab(4, 3), 4);
  assert.equal(
    settings["/etc/argosy/argosy.env"],
    "ARGOSY_STORE_ENDPOINTS=http://10.1.2.11:2379,http://10.1.2.12:2379,http://10.1.2.13:2379\n",
  );
  assert.equal(settings["/etc/argosy/etcd-member.env"], undefined);
});

test("a machine is told who it is, where it listens and who the others are", () => {
  const settings = settingsOf(lab(2, 1), 1);
  assert.equal(settings["/etc/machine-id"], `${"1".repeat(32)}\n`);
  assert.equal(settings["/etc/hostname"], "m1\n");
  assert.match(settings["/etc/hosts"] ?? "", /^10\.1\.2\.12 m2$/m);
  assert.equal(
    settings["/etc/fleet/fleet.conf"],
    'public_ip="10.1.2.11"\nmetadata="machine=m1,rack=a"\nagent_ttl="10s"\n',
  );
  assert.match(
    settings["/etc/systemd/system/fleet.socket.d/lab.conf"] ?? "",
    /^ListenStream=10\.1\.2\.11:49153$/m,
  );
  assert.match(
    settings["/etc/systemd/system/etcd.socket.d/lab.conf"] ?? "",
    /^ListenStream=10\.1\.2\.11:4001$/m,
  );
});

test("three machines share the store, fewer do not", () => {
  assert.deepEqual([1, 2, 3, 4, 9].map(usualMembers), [1, 1, 3, 3, 3]);
});
