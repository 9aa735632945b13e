import { Fault } from "../lib/fault.ts";

/** Where labs keep the disks of their machines. It has to be on a real disk: an overlay cannot lie on an overlay. */
export const labsFolder = "/var/lib/argosy/lab";

/** Where root file systems and installed products are kept between labs. */
export const cacheFolder = "/var/cache/argosy";

/** The name of a lab when none is given. */
export const usualLab = "lab";

/** The most machines one lab may have; their addresses end in .11 and up. */
export const mostMachines = 99;

/** How many etcd members a lab can be given. An even number would add a machine but no safety. */
export const memberCounts: readonly number[] = [1, 3, 5];

const labNameShape = /^[a-z][a-z0-9-]{0,30}$/;

/** One machine as the lab remembers it, whether it runs or not. */
export interface MachineRecord {
  /** m1, m2, ... */
  readonly name: string;
  /** Its place in the lab, from 1. */
  readonly number: number;
  /** Its machine-id: 32 hexadecimal digits. */
  readonly id: string;
}

/** How a lab's machines find their store. */
export type LabStore =
  /** The first machines are told each other's addresses, and are the members. */
  | { readonly by: "addresses" }
  /** The first machine keeps the store alone, in a file; the others are told to use its etcd, which it may become. */
  | { readonly by: "embedded" }
  /** Every machine is told the same discovery token. */
  | { readonly by: "token"; readonly url: string }
  /** Every machine is told the same domain, and asks the machine that runs the lab for names. */
  | { readonly by: "names"; readonly domain: string }
  /** Every machine is handed the same cloud-config and is told nothing else. */
  | CloudConfigStore;

/** How a cloud-config gets into a machine: as a credential of systemd, or as a folder where a config-drive is mounted. */
export const cloudConfigWays = ["credential", "config-drive"] as const;
export type CloudConfigWay = (typeof cloudConfigWays)[number];

export interface CloudConfigStore {
  readonly by: "cloud-config";
  readonly way: CloudConfigWay;
  /** Whether it says how machines find each other; otherwise each is alone. */
  readonly joins: boolean;
}

/** What a lab remembers on disk. What runs is never remembered but looked up. */
export interface LabRecord {
  readonly format: 1;
  readonly name: string;
  /** The first three numbers of its /24 network, such as `10.61.7`. */
  readonly network: string;
  /** How many of the first machines are etcd members; fixed when the lab is made. */
  readonly members: number;
  /** By addresses when it is not there. */
  readonly store?: LabStore;
  /** Added to the metadata of every machine, each `name=value`. */
  readonly metadata: readonly string[];
  /** Its folder in the cache. A machine keeps the root file system it was made over. */
  readonly rootFileSystem: string;
  /** The folder in the cache with the product that the last `up` brought; its absence means machines without it. */
  readonly productLayer?: string;
  readonly machines: readonly MachineRecord[];
}

/** Refuses a name that could not be part of a path, a network namespace and a control group. */
export function checkLabName(name: string): string {
  if (labNameShape.test(name)) return name;
  throw new Fault(
    "bad-lab-name",
    `"${name}" cannot be the name of a lab: use at most 31 lower case letters, digits and dashes, a letter first.`,
  );
}

export function labFolder(lab: string): string {
  return `${labsFolder}/${lab}`;
}

/** The folders and files of one machine on the machine that runs the lab. */
export interface MachinePaths {
  readonly folder: string;
  /** What the machine changed; the upper layer of its overlay. */
  readonly upper: string;
  readonly work: string;
  /** Its whole file system, mounted for as long as the lab is up. */
  readonly root: string;
  /** Bound to /var/lib/docker, because Docker's overlays cannot lie on an overlay. */
  readonly docker: string;
  /** Empty; there once its disk has its settings. */
  readonly made: string;
  /** What its console printed since its last boot. */
  readonly console: string;
}

/** The folder with what is handed to every machine, as a config-drive has it. */
export function configDriveFolder(lab: string): string {
  return `${labFolder(lab)}/config-drive`;
}

/** User-data in the folder above (OpenStack's layout of a config-drive). */
export function userDataFile(lab: string): string {
  return `${configDriveFolder(lab)}/openstack/latest/user_data`;
}

export function machinePaths(lab: string, machine: string): MachinePaths {
  const folder = `${labFolder(lab)}/${machine}`;
  return {
    folder,
    upper: `${folder}/upper`,
    work: `${folder}/work`,
    root: `${folder}/root`,
    docker: `${folder}/docker`,
    made: `${folder}/made`,
    console: `${folder}/console.log`,
  };
}

/** The machine that runs the lab, as its machines see it. */
export function hostAddress(network: string): string {
  return `${network}.1`;
}

export function machineAddress(network: string, number: number): string {
  return `${network}.${10 + number}`;
}

/** The interface through which this machine reaches the lab. The kernel allows 15 characters, so the lab's name is a hash. */
export function hostLink(lab: string): string {
  return `arg-${shortHash(lab)}`;
}

/** What every network namespace of the lab begins with. Names of labs hold no dot, so one lab's is never another's. */
export function networkNamespacePrefix(lab: string): string {
  return `argosy.${lab}.`;
}

export function networkNamespace(lab: string, machine: string): string {
  return `${networkNamespacePrefix(lab)}${machine}`;
}

/** The namespace that holds the lab's bridge. No machine has this name: they are m1, m2, ... */
export function bridgeNamespace(lab: string): string {
  return networkNamespace(lab, "bridge");
}

/**
 * The address of a machine's network interface: the same after every boot, because the others go on sending to the one
 * they remember for half a minute. Of the kind that is administered locally.
 */
export function hardwareAddress(lab: string, machine: string): string {
  const digits = shortHash(`${lab} ${machine}`);
  return ["02", "00", ...(digits.match(/../g) ?? [])].join(":");
}

/** FNV-1a, 32 bits, as eight hexadecimal digits. */
export function shortHash(text: string): string {
  return hash32(text).toString(16).padStart(8, "0");
}

export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
