import { Fault } from "../lib/fault.ts";
import { isMounted, namesIn } from "./disk.ts";
import {
  bridgeNamespace,
  hostAddress,
  hardwareAddress,
  hostLink,
  networkNamespace,
  networkNamespacePrefix,
} from "./layout.ts";
import { expectProgram, runProgram } from "./programs.ts";
import { chooseNetwork } from "./subnet.ts";

/*
 * How a lab is wired: a bridge in a network namespace of its own, a cable from it to every machine's namespace, and one
 * to this machine. In its own namespace the bridge is out of reach of this machine's firewall (on many machines Docker
 * or another program drops what is merely forwarded). Nothing is routed or translated: the lab ends at this machine.
 */

/** The folder in which `ip netns` keeps its namespaces. */
const namespaceFolder = "/run/netns";

const mainBridge = "bridge0";

/** Picks a network that no route of this machine and none of `others` overlaps. */
export async function freeNetwork(lab: string, others: readonly string[]): Promise<string> {
  const routes: unknown = JSON.parse(
    await expectProgram("ip", ["-json", "-4", "route", "show", "table", "all"]),
  );
  const taken = Array.isArray(routes) ? routes.map((route: { dst?: unknown }) => String(route.dst)) : [];
  return chooseNetwork(lab, [...taken, ...others.map((network) => `${network}.0/24`)]);
}

/** Makes the lab's bridge and this machine's cable to it, if they are not there. */
export async function makeBridge(lab: string, network: string): Promise<void> {
  const namespace = bridgeNamespace(lab);
  const link = hostLink(lab);
  if ((await namesIn(namespaceFolder)).includes(namespace) && (await hasLink(link))) return;
  await removeNamespace(namespace);
  await removeHostLink(link);
  await expectProgram("ip", ["netns", "add", namespace]);
  await ipBatch(namespace, [
    `link add ${mainBridge} type bridge forward_delay 0 stp_state 0`,
    `link set ${mainBridge} addrgenmode none up`,
  ]);
  await ipBatch(undefined, [
    `link add ${link} type veth peer name host netns ${namespace}`,
    `link set ${link} addrgenmode none`,
    `addr add ${hostAddress(network)}/24 dev ${link}`,
    `link set ${link} up`,
  ]);
  await ipBatch(namespace, [`link set host addrgenmode none master ${mainBridge} up`]);
}

/**
 * Gives a machine a new network namespace with one interface, as after switching it on: nothing of the last run is
 * left. Needs the lab's bridge.
 */
export async function connectMachine(lab: string, machine: string, address: string): Promise<void> {
  const namespace = networkNamespace(lab, machine);
  const bridge = bridgeNamespace(lab);
  await removeNamespace(namespace);
  // The kernel takes the cable away with the namespace at its other end, but at a time of its own.
  await runProgram("ip", ["-n", bridge, "link", "delete", machine]);
  await expectProgram("ip", ["netns", "add", namespace]);
  await ipBatch(bridge, [
    `link add ${machine} type veth peer name eth0 address ${hardwareAddress(lab, machine)} netns ${namespace}`,
    `link set ${machine} addrgenmode none master ${mainBridge} up`,
  ]);
  await ipBatch(namespace, [
    "link set lo up",
    "link set eth0 addrgenmode none",
    `addr add ${address}/24 dev eth0`,
    "link set eth0 up",
  ]);
}

/** Pulls a machine's cable, or plugs it in again. Does nothing for a machine that has none. */
export async function setCable(lab: string, machine: string, state: "up" | "down"): Promise<void> {
  if (await isConnected(lab, machine)) {
    await expectProgram("ip", ["-n", bridgeNamespace(lab), "link", "set", machine, state]);
  }
}

/**
 * Splits the lab: machines of one group reach each other and no others. Machines that are named in no group stay with
 * the first, and so does this machine.
 */
export async function splitNetwork(lab: string, groups: readonly (readonly string[])[]): Promise<void> {
  const bridge = bridgeNamespace(lab);
  for (const [index, group] of groups.entries()) {
    const name = `bridge${index}`;
    if (index > 0) {
      await runProgram("ip", ["-n", bridge, "link", "delete", name]);
      await ipBatch(bridge, [
        `link add ${name} type bridge forward_delay 0 stp_state 0`,
        `link set ${name} addrgenmode none up`,
      ]);
    }
    for (const machine of group) {
      if (await isConnected(lab, machine)) await ipBatch(bridge, [`link set ${machine} master ${name}`]);
    }
  }
}

/** Removes every link and network namespace of the lab, whatever is left of it. */
export async function removeNetwork(lab: string): Promise<void> {
  const ours = (await namesIn(namespaceFolder)).filter((name) =>
    name.startsWith(networkNamespacePrefix(lab)),
  );
  for (const name of ours) await removeNamespace(name);
  await removeHostLink(hostLink(lab));
}

/** Removes the folder of the namespaces, which `ip netns` mounts on itself, if nobody uses it any more. */
export async function removeEmptyNamespaceFolder(): Promise<void> {
  if (!(await isMounted(namespaceFolder)) || (await namesIn(namespaceFolder)).length > 0) return;
  await expectProgram("umount", ["--lazy", "--", namespaceFolder]);
  await expectProgram("rmdir", ["--ignore-fail-on-non-empty", "--", namespaceFolder]);
}

async function isConnected(lab: string, machine: string): Promise<boolean> {
  return (await runProgram("ip", ["-n", bridgeNamespace(lab), "link", "show", machine])).code === 0;
}

async function removeNamespace(name: string): Promise<void> {
  if ((await namesIn(namespaceFolder)).includes(name)) await expectProgram("ip", ["netns", "delete", name]);
}

async function removeHostLink(name: string): Promise<void> {
  if (!(await hasLink(name))) return;
  const finished = await runProgram("ip", ["link", "delete", name]);
  // It may have gone by itself in the meantime, with the namespace at its other end.
  if (finished.code === 0 || !(await hasLink(name))) return;
  throw new Fault("link-stays", `Cannot remove the network interface ${name}: ${finished.stderr.trim()}`);
}

/** The kernel lists our network interfaces as folders. */
async function hasLink(name: string): Promise<boolean> {
  return (await namesIn("/sys/class/net")).includes(name);
}

/** Runs several commands of `ip` in one go, in a network namespace or in ours. */
async function ipBatch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  const where = namespace === undefined ? [] : ["-n", namespace];
  await expectProgram("ip", [...where, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
