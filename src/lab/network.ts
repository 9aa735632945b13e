import { Fault } from "../lib/fault.ts";
import { bridgeName, cableName, hostAddress, networkNamespace, networkNamespacePrefix } from "./layout.ts";
import { isMounted, namesIn } from "./disk.ts";
import { expectProgram, runProgram } from "./programs.ts";
import { chooseNetwork } from "./subnet.ts";

/** The folder in which `ip netns` keeps its namespaces. */
const namespaceFolder = "/run/netns";

/** Picks a network that no route of this machine and none of `others` overlaps. */
export async function freeNetwork(lab: string, others: readonly string[]): Promise<string> {
  const routes: unknown = JSON.parse(
    await expectProgram("ip", ["-json", "-4", "route", "show", "table", "all"]),
  );
  const taken = Array.isArray(routes) ? routes.map((route: { dst?: unknown }) => String(route.dst)) : [];
  return chooseNetwork(lab, [...taken, ...others.map((network) => `${network}.0/24`)]);
}

/** Makes the lab's bridge if it is not there. Nothing is routed or translated: the lab ends at this machine. */
export async function makeBridge(lab: string, network: string): Promise<void> {
  const bridge = bridgeName(lab);
  if ((await linksBeginning(bridge)).includes(bridge)) return;
  await ipBatch(
    [],
    [
      `link add ${bridge} type bridge forward_delay 0 stp_state 0`,
      `link set ${bridge} addrgenmode none`,
      `addr add ${hostAddress(network)}/24 dev ${bridge}`,
      `link set ${bridge} up`,
    ],
  );
}

/** Gives a machine a new network namespace with one interface, as after switching it on: nothing of the last run is left. */
export async function connectMachine(
  lab: string,
  name: string,
  number: number,
  address: string,
): Promise<void> {
  const namespace = networkNamespace(lab, name);
  const cable = cableName(lab, number);
  await removeNamespace(namespace);
  await removeLink(cable);
  await expectProgram("ip", ["netns", "add", namespace]);
  await ipBatch(
    [],
    [
      `link add ${cable} type veth peer name eth0 netns ${namespace}`,
      `link set ${cable} addrgenmode none`,
      `link set ${cable} master ${bridgeName(lab)} up`,
    ],
  );
  await ipBatch(
    ["-n", namespace],
    [
      "link set lo up",
      "link set eth0 addrgenmode none",
      `addr add ${address}/24 dev eth0`,
      "link set eth0 up",
    ],
  );
}

/** Pulls a machine's cable, or plugs it in again. Without the cable's being there nothing happens. */
export async function setCable(lab: string, number: number, state: "up" | "down"): Promise<void> {
  const cable = cableName(lab, number);
  if ((await linksBeginning(cable)).includes(cable)) await expectProgram("ip", ["link", "set", cable, state]);
}

/** Removes a machine's interface and network namespace. */
export async function disconnectMachine(lab: string, name: string, number: number): Promise<void> {
  await removeLink(cableName(lab, number));
  await removeNamespace(networkNamespace(lab, name));
}

/** Removes every link and network namespace of the lab, whatever is left of it. */
export async function removeNetwork(lab: string): Promise<void> {
  const names = await namesIn(namespaceFolder);
  for (const name of names.filter((each) => each.startsWith(networkNamespacePrefix(lab))))
    await removeNamespace(name);
  for (const link of await linksBeginning(bridgeName(lab))) await removeLink(link);
}

/** Removes the folder of the namespaces, which `ip netns` mounts on itself, if nobody uses it any more. */
export async function removeEmptyNamespaceFolder(): Promise<void> {
  if (!(await isMounted(namespaceFolder)) || (await namesIn(namespaceFolder)).length > 0) return;
  await expectProgram("umount", ["--lazy", "--", namespaceFolder]);
  await expectProgram("rmdir", ["--ignore-fail-on-non-empty", "--", namespaceFolder]);
}

async function removeNamespace(name: string): Promise<void> {
  if ((await namesIn(namespaceFolder)).includes(name)) await expectProgram("ip", ["netns", "delete", name]);
}

async function removeLink(name: string): Promise<void> {
  if (!(await linksBeginning(name)).includes(name)) return;
  const finished = await runProgram("ip", ["link", "delete", name]);
  // The kernel takes a cable away with the namespace at its other end, at a time of its own: then it is gone already.
  if (finished.code === 0 || !(await linksBeginning(name)).includes(name)) return;
  throw new Fault("link-stays", `Cannot remove the network interface ${name}: ${finished.stderr.trim()}`);
}

/** Our network interfaces whose name begins so; the kernel lists them as folders. */
async function linksBeginning(prefix: string): Promise<readonly string[]> {
  return (await namesIn("/sys/class/net")).filter((name) => name.startsWith(prefix));
}

async function ipBatch(flags: readonly string[], lines: readonly string[]): Promise<void> {
  await expectProgram("ip", [...flags, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
