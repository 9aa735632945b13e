import type { ReadNetwork } from "./debian.ts";
import type { Addressing, Interface } from "./interfaces.ts";

/** Entries of one kind that are counted at most; counting ends at the first gap. */
const mostCounted = 64;

/** Reads the keys that VMware hands to its guest about names and interfaces, as a record of texts. */
export function readVmwareNetwork(network: unknown): ReadNetwork {
  const keys = new Map(
    typeof network === "object" && network !== null
      ? Object.entries(network).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : []))
      : [],
  );
  const nameservers = counted((index) => keys.get(`dns.server.${index}`));
  const wrongServer = nameservers.find((server) => !isAddress(server));
  if (wrongServer !== undefined) return { problem: `invalid nameserver: "${wrongServer}"` };
  const domains = counted((index) => keys.get(`dns.domain.${index}`));
  const interfaces: Interface[] = [];
  for (let index = 0; index < mostCounted; index++) {
    const prefix = `interface.${index}.`;
    if (![...keys.keys()].some((key) => key.startsWith(prefix))) break;
    const read = interfaceIn(keys, prefix, { nameservers, domains });
    if ("problem" in read) return read;
    interfaces.push(read);
  }
  return { interfaces };
}

function interfaceIn(
  keys: ReadonlyMap<string, string>,
  prefix: string,
  names: { readonly nameservers: readonly string[]; readonly domains: readonly string[] },
): Interface | { readonly problem: string } {
  const name = keys.get(`${prefix}name`) ?? "";
  const mac = keys.get(`${prefix}mac`) ?? "";
  if (mac !== "" && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac))
    return { problem: `invalid hardware address: "${mac}"` };
  if (name === "" && mac === "") return { problem: `${prefix}name and ${prefix}mac are missing` };
  const dhcp = keys.get(`${prefix}dhcp`) ?? "";
  if (!/^(yes|no)?$/i.test(dhcp)) return { problem: `invalid DHCP option: "${dhcp}"` };
  const addresses = counted((index) => keys.get(`${prefix}ip.${index}.address`));
  const gateways = counted((index) => keys.get(`${prefix}route.${index}.gateway`));
  const destinations = counted((index) => keys.get(`${prefix}route.${index}.destination`));
  const wrong = [...addresses, ...destinations].find((each) => !isNetwork(each));
  if (wrong !== undefined) return { problem: `invalid CIDR address: ${wrong}` };
  const wrongGateway = gateways.find((each) => !isAddress(each));
  if (wrongGateway !== undefined) return { problem: `invalid gateway: "${wrongGateway}"` };
  if (gateways.length !== destinations.length)
    return { problem: `each route of ${prefix.slice(0, -1)} needs a gateway and a destination` };
  const routes = gateways.map((gateway, index) => ({ destination: destinations[index] ?? "", gateway }));
  const addressing: Addressing =
    addresses.length > 0 || routes.length > 0
      ? { method: "static", addresses, routes, ...names }
      : { method: "dhcp" };
  return { kind: "physical", name, addressing, ...(mac === "" ? {} : { hardwareAddress: mac }) };
}

function counted(get: (index: number) => string | undefined): readonly string[] {
  const found: string[] = [];
  for (let index = 0; index < mostCounted; index++) {
    const value = get(index);
    if (value === undefined || value === "") break;
    found.push(value);
  }
  return found;
}

function isAddress(text: string): boolean {
  return isIpv4(text) || (text.includes(":") && /^[0-9a-f:.]+$/i.test(text));
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

function isNetwork(text: string): boolean {
  const [, address = "", bits = ""] = /^(.*)\/(\d{1,3})$/.exec(text) ?? [];
  return isAddress(address) && Number(bits) <= (address.includes(":") ? 128 : 32);
}
