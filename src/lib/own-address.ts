/** One address of a network interface, as Node's os.networkInterfaces tells it. */
export interface InterfaceAddress {
  readonly address: string;
  readonly family: "IPv4" | "IPv6";
  /** Of the loopback interface. */
  readonly internal: boolean;
}

/** Addresses by the names of interfaces. */
export type Interfaces = Readonly<Record<string, readonly InterfaceAddress[] | undefined>>;

/**
 * The first global IPv4 address of the interface that holds the default route (fleet v1.0.0, public IP), or empty.
 * @param routes the text of /proc/net/route
 */
export function defaultRouteAddress(routes: string, interfaces: Interfaces): string {
  for (const line of routes.split("\n").slice(1)) {
    const [name, destination, , , , , , mask] = line.split("\t");
    if (name === undefined || destination !== "00000000" || mask !== "00000000") continue;
    const address = firstAddress(interfaces[name], "IPv4");
    if (address !== "") return address;
  }
  return "";
}

/** Interfaces that programs on a machine make for themselves: others do not reach it there. */
const madeByPrograms = /^(lo|docker|br-|veth|virbr|vnet|cni|flannel|podman|tun|tap|dummy|wg)/;

/**
 * The address other machines reach this one at: that of the default route or, on a network that leads nowhere else, of
 * the only interface with an address. Empty when it has none, or when there is a choice.
 */
export function ownAddress(routes: string, interfaces: Interfaces): string {
  const routed = defaultRouteAddress(routes, interfaces);
  if (routed !== "") return routed;
  const found = Object.entries(interfaces)
    .filter(([name]) => !madeByPrograms.test(name))
    .map(([, addresses]) => firstAddress(addresses, "IPv4"))
    .filter((address) => address !== "" && !address.startsWith("169.254."));
  return found.length === 1 ? (found[0] ?? "") : "";
}

/** The first global IPv6 address of this machine's own interfaces, or empty. */
export function ownAddress6(interfaces: Interfaces): string {
  const found = Object.entries(interfaces)
    .filter(([name]) => !madeByPrograms.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .find(({ family, internal, address }) => family === "IPv6" && !internal && !/^fe[89ab]/i.test(address));
  return found?.address ?? "";
}

function firstAddress(addresses: readonly InterfaceAddress[] | undefined, wanted: "IPv4"): string {
  return addresses?.find(({ family, internal }) => family === wanted && !internal)?.address ?? "";
}
