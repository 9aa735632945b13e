import type { Action } from "../actions.ts";
import type { UnitWish } from "../directives/units.ts";
import type { NetworkPlan } from "../plan.ts";

/** A network interface as the formats of datasources describe it. */
export interface Interface {
  readonly kind: "physical" | "vlan" | "bond";
  /** Empty when only the hardware address is known. */
  readonly name: string;
  readonly hardwareAddress?: string;
  readonly addressing: Addressing;
  /** Of a vlan. */
  readonly vlanId?: number;
  /** Of a vlan: the interface it lies on. */
  readonly rawDevice?: string;
  /** Of a bond: the interfaces in it. */
  readonly slaves?: readonly string[];
  /** Of a bond: options of [Bond]. */
  readonly options?: Readonly<Record<string, string>>;
}

export type Addressing =
  | { readonly method: "manual" | "dhcp" }
  | {
      readonly method: "static";
      readonly addresses: readonly string[];
      readonly nameservers: readonly string[];
      readonly domains?: readonly string[];
      readonly routes: readonly { readonly destination: string; readonly gateway: string }[];
    };

/** Files of systemd-networkd and what has to happen before they are used. */
export function networkPlan(interfaces: readonly Interface[]): NetworkPlan {
  if (interfaces.length === 0) return { actions: [], wishes: [] };
  const depths = new Map(interfaces.map((each) => [each.name, depthOf(each, interfaces, 0)]));
  const wishes = interfaces.flatMap((each) => unitsOf(each, interfaces, depths.get(each.name) ?? 0));
  return { actions: before(interfaces), wishes };
}

/** A bond or vlan is 0, what it lies on is one more. */
function depthOf(of: Interface, all: readonly Interface[], level: number): number {
  if (level > all.length) return level;
  const above = all.filter((each) => each.rawDevice === of.name || each.slaves?.includes(of.name) === true);
  return Math.max(0, ...above.map((each) => 1 + depthOf(each, all, level + 1)));
}

function unitsOf(of: Interface, all: readonly Interface[], depth: number): readonly UnitWish[] {
  const file = `${depth.toString(16).padStart(2, "0")}-${of.name || (of.hardwareAddress ?? "")}`;
  const device = netdev(of);
  return [
    ...(device === undefined ? [] : [{ name: `${file}.netdev`, runtime: true, content: device }]),
    { name: `${file}.network`, runtime: true, content: network(of, all) },
  ];
}

function netdev(of: Interface): string | undefined {
  if (of.kind === "physical") return undefined;
  const address = of.hardwareAddress === undefined ? [] : [`MACAddress=${of.hardwareAddress}`];
  const options = Object.entries(of.options ?? {}).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return sections([
    ["NetDev", [`Kind=${of.kind}`, `Name=${of.name}`, ...address]],
    of.kind === "vlan"
      ? ["VLAN", [`Id=${of.vlanId ?? 0}`]]
      : ["Bond", options.map(([name, value]) => `${name}=${value}`)],
  ]);
}

function network(of: Interface, all: readonly Interface[]): string {
  const match = [
    ...(of.name === "" ? [] : [`Name=${of.name}`]),
    ...(of.hardwareAddress === undefined ? [] : [`MACAddress=${of.hardwareAddress}`]),
  ];
  const vlans = all.filter(({ kind, rawDevice }) => kind === "vlan" && rawDevice === of.name);
  const bonds = all.filter(({ slaves }) => slaves?.includes(of.name) === true);
  const { addressing } = of;
  const lines = [...vlans.map(({ name }) => `VLAN=${name}`), ...bonds.map(({ name }) => `Bond=${name}`)];
  if (addressing.method === "dhcp") lines.push("DHCP=true");
  if (addressing.method !== "static") {
    return sections([
      ["Match", match],
      ["Network", lines],
    ]);
  }
  const { addresses, nameservers, domains = [], routes } = addressing;
  if (domains.length > 0) lines.push(`Domains=${domains.join(" ")}`);
  lines.push(...nameservers.map((server) => `DNS=${server}`));
  return sections([
    ["Match", match],
    ["Network", lines],
    ...addresses.map((address): Section => ["Address", [`Address=${address}`]]),
    ...routes.map(
      ({ destination, gateway }): Section => ["Route", [`Destination=${destination}`, `Gateway=${gateway}`]],
    ),
  ]);
}

type Section = readonly [string, readonly string[]];

function sections(all: readonly Section[]): string {
  return all.map(([name, lines]) => [`[${name}]`, ...lines].map((line) => `${line}\n`).join("")).join("\n");
}

function before(interfaces: readonly Interface[]): readonly Action[] {
  const names = interfaces.map(({ name }) => name).filter((name) => name !== "");
  const bonds = interfaces.filter(({ kind }) => kind === "bond");
  const options = bonds.flatMap(({ options: given = {} }) => Object.entries(given));
  const words = [...new Map(options)].map(([name, value]) => `${name}=${value}`).toSorted();
  return [
    { kind: "links-down", names },
    ...(interfaces.some(({ kind }) => kind === "vlan")
      ? [{ kind: "run", program: ["modprobe", "8021q"] } as const]
      : []),
    ...(bonds.length === 0 ? [] : [{ kind: "run", program: ["modprobe", "bonding", ...words] } as const]),
    { kind: "job", method: "RestartUnit", unit: "systemd-networkd.service" },
  ];
}
