import type { Addressing, Interface } from "./interfaces.ts";

/** Interfaces, or one sentence about why there are none. */
export type ReadNetwork = { readonly interfaces: readonly Interface[] } | { readonly problem: string };

interface Stanza {
  readonly name: string;
  readonly method: string;
  readonly options: ReadonlyMap<string, readonly (readonly string[])[]>;
}

/** Reads the syntax of Debian's /etc/network/interfaces. */
export function readDebianNetwork(text: string): ReadNetwork {
  const lines = text
    .replaceAll(/\\\r?\n/g, " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(/\s+/));
  const stanzas: Stanza[] = [];
  let options: Map<string, (readonly string[])[]> | undefined;
  for (const [word = "", ...rest] of lines) {
    if (word === "auto" || word.startsWith("allow-")) {
      options = undefined;
    } else if (word === "iface") {
      const [name, , method] = rest;
      if (name === undefined || method === undefined)
        return { problem: `invalid interface: ${rest.join(" ")}` };
      options = new Map();
      stanzas.push({ name, method, options });
    } else if (options === undefined) {
      return { problem: `unknown stanza type: ${word}` };
    } else {
      options.set(word, [...(options.get(word) ?? []), rest]);
    }
  }
  const interfaces: Interface[] = [];
  for (const stanza of stanzas) {
    const read = readStanza(stanza);
    if (typeof read === "string") return { problem: read };
    if (read !== undefined) interfaces.push(read);
  }
  return { interfaces: withSlaves(interfaces) };
}

/** An interface, nothing for the loopback, or what is wrong. */
function readStanza(stanza: Stanza): Interface | string | undefined {
  const { name, method, options } = stanza;
  if (method === "loopback") return undefined;
  const addressing = readAddressing(method, options);
  if (typeof addressing === "string") return addressing;
  const [first, address] = options.get("hwaddress")?.at(-1) ?? [];
  const hardware = first === "ether" ? address : undefined;
  const common = { name, addressing, ...(hardware === undefined ? {} : { hardwareAddress: hardware }) };
  const slaves = options.get("bond-slaves")?.at(-1);
  if (slaves !== undefined) {
    const own = ["mode", "miimon", "lacp-rate"].flatMap((option): [string, string][] => {
      const value = options.get(`bond-${option}`)?.at(-1)?.[0];
      return value === undefined ? [] : [[option.replace("-", "_"), value]];
    });
    return {
      kind: "bond",
      ...common,
      slaves: slaves.filter((each) => each !== "none"),
      options: Object.fromEntries(own),
    };
  }
  const rawDevice = (options.get("vlan_raw_device") ?? options.get("vlan-raw-device"))?.at(-1)?.[0];
  const id = /[.n](\d+)$/.exec(name)?.[1];
  if (rawDevice === undefined) return { kind: "physical", ...common };
  if (id === undefined) return `cannot tell the vlan of the interface ${name}`;
  return { kind: "vlan", ...common, rawDevice, vlanId: Number(id) };
}

function readAddressing(method: string, options: Stanza["options"]): Addressing | string {
  if (method === "dhcp" || method === "manual") return { method };
  if (method !== "static") return `invalid config method: ${method}`;
  const address = options.get("address")?.at(-1)?.[0];
  const netmask = options.get("netmask")?.at(-1)?.[0];
  const prefix = netmask === undefined ? undefined : prefixOf(netmask);
  if (address === undefined || !isIpv4(address) || prefix === undefined) {
    return `malformed static network config: address ${address ?? "missing"}, netmask ${netmask ?? "missing"}`;
  }
  const gateway = options.get("gateway")?.at(-1)?.[0];
  const routes = gateway === undefined ? [] : [{ destination: "0.0.0.0/0", gateway }];
  for (const words of options.get("post-up") ?? []) {
    const route = readRoute(words);
    if (route !== undefined) routes.push(route);
  }
  const nameservers = options.get("dns-nameservers")?.at(-1) ?? [];
  return { method, addresses: [`${address}/${prefix}`], nameservers, routes };
}

/** `route add -net A netmask M gw G`. */
function readRoute(words: readonly string[]): { destination: string; gateway: string } | undefined {
  if (words[0] !== "route" || words[1] !== "add") return undefined;
  const behind = (word: string): string | undefined => {
    const at = words.indexOf(word);
    return at < 0 ? undefined : words[at + 1];
  };
  const net = behind("-net");
  const gateway = behind("gw");
  const mask = behind("netmask");
  if (net === undefined || gateway === undefined) return undefined;
  if (net.includes("/")) return { destination: net, gateway };
  const prefix = mask === undefined ? undefined : prefixOf(mask);
  return prefix === undefined ? undefined : { destination: `${net}/${prefix}`, gateway };
}

/** Interfaces that are only named as part of a bond or below a vlan are physical and have no address. */
function withSlaves(interfaces: readonly Interface[]): readonly Interface[] {
  const names = new Set(interfaces.map(({ name }) => name));
  const missing = new Set(
    interfaces.flatMap(({ slaves = [], rawDevice }) => [
      ...slaves,
      ...(rawDevice === undefined ? [] : [rawDevice]),
    ]),
  );
  const added = [...missing].filter((name) => !names.has(name));
  return [
    ...interfaces,
    ...added.map((name): Interface => ({ kind: "physical", name, addressing: { method: "manual" } })),
  ];
}

function isIpv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((part) => Number(part) <= 255);
}

/** How many bits a netmask leaves to the network. */
export function prefixOf(netmask: string): number | undefined {
  if (!isIpv4(netmask)) return undefined;
  const bits = netmask
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return /^1*0*$/.test(bits) ? bits.lastIndexOf("1") + 1 : undefined;
}
