import assert from "node:assert/strict";
import { test } from "node:test";
import { networkPlan } from "./interfaces.ts";
import { readVmwareNetwork } from "./vmware.ts";

const files = (network: unknown): readonly (readonly [string, string | undefined])[] => {
  const read = readVmwareNetwork(network);
  assert.ok("interfaces" in read, "problem" in read ? read.problem : "");
  return networkPlan(read.interfaces).wishes.map(({ name, content }) => [name, content]);
};

test("an interface with addresses is static, with servers of names and domains; one without asks DHCP", () => {
  const network = {
    "dns.server.0": "10.0.0.1",
    "dns.domain.0": "example.com",
    "interface.0.mac": "00:11:22:33:44:55",
    "interface.0.ip.0.address": "10.0.0.7/24",
    "interface.0.route.0.gateway": "10.0.0.1",
    "interface.0.route.0.destination": "0.0.0.0/0",
    "interface.1.name": "eth1",
    "interface.1.dhcp": "yes",
    "interface.3.name": "behind the gap",
  };
  assert.deepEqual(files(network), [
    [
      "00-00:11:22:33:44:55.network",
      "[Match]\nMACAddress=00:11:22:33:44:55\n\n[Network]\nDomains=example.com\nDNS=10.0.0.1\n\n[Address]\nAddress=10.0.0.7/24\n\n[Route]\nDestination=0.0.0.0/0\nGateway=10.0.0.1\n",
    ],
    ["00-eth1.network", "[Match]\nName=eth1\n\n[Network]\nDHCP=true\n"],
  ]);
  assert.deepEqual(files({}), []);
});

test("what cannot be a network is told", () => {
  for (const [key, value, problem] of [
    ["interface.0.ip.0.address", "10.0.0.7", /invalid CIDR address: 10\.0\.0\.7/],
    ["interface.0.mac", "nonsense", /invalid hardware address/],
    ["interface.0.dhcp", "maybe", /invalid DHCP option: "maybe"/],
    ["interface.0.route.0.gateway", "10.0.0.1", /needs a gateway and a destination/],
    ["dns.server.0", "me", /invalid nameserver/],
  ] as const) {
    const read = readVmwareNetwork({ "interface.0.name": "eth0", [key]: value });
    assert.match("problem" in read ? read.problem : "", problem, key);
  }
});
