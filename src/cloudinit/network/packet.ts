import { Json } from "../datasources/json.ts";
import type { ReadNetwork } from "./debian.ts";
import type { Addressing, Interface } from "./interfaces.ts";

/** What Packet's machines do with their interfaces: all of them in one bond, as the original sets it up. */
const bondOptions = {
  Mode: "802.3ad",
  LACPTransmitRate: "fast",
  MIIMonitorSec: ".2",
  UpDelaySec: ".2",
  DownDelaySec: ".2",
};

/** Servers of names where the metadata gives none. */
const usualNameservers = ["8.8.8.8", "8.8.4.4"];

/** Reads the part `network` of Packet's metadata. */
export function readPacketNetwork(network: unknown): ReadNetwork {
  const read = new Json(network);
  const slaves = read
    .get("interfaces")
    .items()
    .flatMap((each): Interface[] => {
      const name = each.get("name").text();
      const mac = each.get("mac").text();
      if (name === undefined) return [];
      return [
        {
          kind: "physical",
          name,
          addressing: { method: "manual" },
          ...(mac === undefined ? {} : { hardwareAddress: mac }),
        },
      ];
    });
  if (slaves.length === 0) return { problem: "the metadata names no network interface" };
  const bond: Interface = {
    kind: "bond",
    name: "bond0",
    addressing: addressingIn(read),
    slaves: slaves.map(({ name }) => name),
    options: bondOptions,
  };
  return { interfaces: [...slaves, bond] };
}

function addressingIn(network: Json): Addressing {
  const given = network
    .get("addresses")
    .items()
    .flatMap((each) => {
      const address = each.get("address").text();
      const bits = each.get("cidr").number();
      const gateway = each.get("gateway").text();
      const isPublic = each.get("public").isTrue();
      return address === undefined || bits === undefined
        ? []
        : [{ address: `${address}/${bits}`, gateway, isPublic }];
    });
  const routes = given.flatMap(({ address, gateway, isPublic }) => {
    if (gateway === undefined) return [];
    const everywhere = address.includes(":") ? "::/0" : "0.0.0.0/0";
    return [{ destination: isPublic ? everywhere : "10.0.0.0/8", gateway }];
  });
  const dns = network
    .get("dns")
    .items()
    .flatMap((each) => each.text() ?? []);
  return {
    method: "static",
    addresses: given.map(({ address }) => address),
    nameservers: dns.length > 0 ? dns : usualNameservers,
    routes,
  };
}
