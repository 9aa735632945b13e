import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRouteAddress, type InterfaceAddress, ownAddress, ownAddress6 } from "./own-address.ts";

const header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
const ipv4 = (address: string): InterfaceAddress => ({ address, family: "IPv4", internal: false });
const ipv6 = (address: string): InterfaceAddress => ({ address, family: "IPv6", internal: false });

test("the address is the first IPv4 address of the interface with the default route", () => {
  const routes = `${header}eth1\t0001000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\n`;
  const interfaces = { eth0: [ipv6("fd00::1"), ipv4("10.0.1.7")], eth1: [ipv4("10.0.0.7")] };
  assert.equal(defaultRouteAddress(routes, interfaces), "10.0.1.7");
  assert.equal(ownAddress(routes, interfaces), "10.0.1.7");
  assert.equal(defaultRouteAddress(header, interfaces), "");
});

test("without a default route the only address counts, but none of several, and none that a program made", () => {
  const local: InterfaceAddress = { address: "127.0.0.1", family: "IPv4", internal: true };
  const one = { lo: [local], docker0: [ipv4("172.17.0.1")], eth0: [ipv4("10.0.0.7")] };
  assert.equal(ownAddress(header, one), "10.0.0.7");
  assert.equal(ownAddress(header, { ...one, eth1: [ipv4("10.0.1.7")] }), "");
  assert.equal(ownAddress(header, { lo: [local], eth0: [ipv4("169.254.3.4")] }), "");
});

test("an IPv6 address that only this link knows is not the machine's", () => {
  assert.equal(ownAddress6({ eth0: [ipv6("fe80::1"), ipv6("fd00::7")] }), "fd00::7");
  assert.equal(ownAddress6({ eth0: [ipv6("fe80::1")], docker0: [ipv6("fd00::1")] }), "");
});
