import assert from "node:assert/strict";
import { test } from "node:test";
import { apiAddress, defaultRouteAddress } from "./machine-facts.ts";

const header = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";

test("the address is the first IPv4 address of the interface with the default route", () => {
  const routes = `${header}eth1\t0001000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\n`;
  const one = { netmask: "", mac: "", internal: false, cidr: null };
  const interfaces = {
    eth0: [
      { ...one, family: "IPv6" as const, scopeid: 0, address: "fd00::1" },
      { ...one, family: "IPv4" as const, address: "10.0.1.7" },
    ],
    eth1: [{ ...one, family: "IPv4" as const, address: "10.0.0.7" }],
  };
  assert.equal(defaultRouteAddress(routes, interfaces), "10.0.1.7");
  assert.equal(defaultRouteAddress(header, interfaces), "");
});

test("the API's address for others is one that others can reach", () => {
  assert.equal(
    apiAddress(["fd:3", "http://127.0.0.1:49153", "http://10.0.0.7:49153"], ""),
    "http://10.0.0.7:49153",
  );
  assert.equal(apiAddress(["http://0.0.0.0:49153"], "10.0.0.7"), "http://10.0.0.7:49153");
  assert.equal(apiAddress(["http://[::]:49153"], "10.0.0.7"), "http://10.0.0.7:49153");
  assert.equal(apiAddress(["http://0.0.0.0:49153"], ""), undefined);
  assert.equal(apiAddress(["unix:///run/fleet.sock", "http://[::1]:49153"], "10.0.0.7"), undefined);
});
