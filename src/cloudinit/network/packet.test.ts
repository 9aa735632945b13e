import assert from "node:assert/strict";
import { test } from "node:test";
import { networkPlan } from "./interfaces.ts";
import { readPacketNetwork } from "./packet.ts";

test("all of Packet's interfaces are in one bond, with a route for private and public addresses", () => {
  const read = readPacketNetwork({
    interfaces: [{ name: "eth0", mac: "00:00:00:00:00:01" }],
    addresses: [
      { address: "203.0.113.7", cidr: 31, gateway: "203.0.113.6", address_family: 4, public: true },
      { address: "10.0.0.7", cidr: 31, gateway: "10.0.0.6", address_family: 4, public: false },
    ],
  });
  assert.ok("interfaces" in read);
  const units = networkPlan(read.interfaces).wishes;
  assert.deepEqual(
    units.map(({ name }) => name),
    ["01-eth0.network", "00-bond0.netdev", "00-bond0.network"],
  );
  assert.match(units[0]?.content ?? "", /\[Network\]\nBond=bond0\n/);
  assert.match(units[1]?.content ?? "", /\[Bond\]\nDownDelaySec=.2\nLACPTransmitRate=fast\n/);
  assert.match(units[2]?.content ?? "", /Destination=0.0.0.0\/0\nGateway=203.0.113.6\n/);
  assert.match(units[2]?.content ?? "", /Destination=10.0.0.0\/8\nGateway=10.0.0.6\n/);
});
