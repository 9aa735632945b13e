import { randomUUID } from "node:crypto";
import { dirname } from "node:path";
import { Fault } from "../lib/fault.ts";
import { keepCloudConfig, sameCloudConfig } from "./cloud-config.ts";
import { untilWorking } from "./cluster.ts";
import { untilConfigured } from "./configured.ts";
import { childGroups, killControlGroup, labControlGroup, removeControlGroup } from "./control-group.ts";
import { namesIn, removeEmptyFolders, removeFolder } from "./disk.ts";
import { bridgeNamespace, hostLink, checkLabName, hostAddress, labFolder, labsFolder } from "./layout.ts";
import {
  memberCounts,
  mostMachines,
  usualLab,
  type LabRecord,
  type LabStore,
  type MachineRecord,
} from "./layout.ts";
import { withLock } from "./lock.ts";
import { Machine, type MachineStatus } from "./machine.ts";
import {
  freeNetwork,
  makeBridge,
  removeEmptyNamespaceFolder,
  removeNetwork,
  splitNetwork,
} from "./network.ts";
import { productLayer, type Product } from "./product-layer.ts";
import { otherRecords, readRecord, writeRecord } from "./record.ts";
import { forgetContainers } from "./nspawn.ts";
import { allowMachines, checkRequirements, checkRoot } from "./requirements.ts";
import { rootFileSystem } from "./root-file-system.ts";
import { usualMembers } from "./settings.ts";
import { stopwatch } from "./waiting.ts";

export interface LabOptions {
  /** `lab` when not given. */
  readonly name?: string;
  /** How many machines it is to have at least; 3 when the lab is new. */
  readonly machines?: number;
  /** How many of the first machines are etcd members (1, 3 or 5); only for a new lab. */
  readonly members?: number;
  /** How its machines find their store; by addresses when not given. Only for a new lab. */
  readonly store?: LabStore;
  /** What every machine is handed, with a store by cloud-config: the bytes of user-data. */
  readonly cloudConfig?: Uint8Array;
  /** Added to every machine's metadata, each `name=value`; only for a new lab. */
  readonly metadata?: readonly string[];
  /** What is installed in the machines; without it they are plain Debian machines. */
  readonly product?: Product | undefined;
  readonly progress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** What `argosy lab status --json` prints. */
export interface LabStatus {
  readonly name: string;
  /** The network interface of this machine that leads to the lab. */
  readonly link: string;
  /** The network namespace that holds the lab's bridge. */
  readonly bridge: string;
  /** Such as `10.61.7.0/24`. */
  readonly subnet: string;
  /** The address of the machine that runs the lab, as its machines see it. */
  readonly host: string;
  readonly machines: readonly MachineStatus[];
}

/** A lab that was made; its machines may run or be off. */
export class Lab {
  readonly name: string;
  /** The network interface of this machine that leads to the lab. */
  readonly link: string;
  /** Such as `10.61.7.0/24`. */
  readonly subnet: string;
  readonly machines: readonly Machine[];
  readonly #record: LabRecord;

  constructor(record: LabRecord, machines: readonly Machine[]) {
    this.name = record.name;
    this.link = hostLink(record.name);
    this.subnet = `${record.network}.0/24`;
    this.machines = machines;
    this.#record = record;
  }

  /** Whether its machines are told of each other; with a cloud-config that says nothing of it each is alone. */
  get isOneCluster(): boolean {
    const { store } = this.#record;
    return store?.by !== "cloud-config" || store.joins;
  }

  /** The machine of this name. Throws Fault `no-such-machine`. */
  machine(name: string): Machine {
    const found = this.machines.find((machine) => machine.name === name);
    if (found !== undefined) return found;
    const names = this.machines.map((machine) => machine.name).join(", ");
    throw new Fault("no-such-machine", `Lab "${this.name}" has no machine ${name}; it has ${names}.`);
  }

  /**
   * Splits the lab's network: machines of one group reach each other and no others. Those in no group stay with the
   * first one, and so does this machine; commands can be run in all of them as before.
   */
  async partition(...groups: readonly (readonly string[])[]): Promise<void> {
    for (const name of groups.flat()) this.machine(name);
    await splitNetwork(this.name, groups);
  }

  /** Makes the network one again. */
  async heal(): Promise<void> {
    await splitNetwork(this.name, [this.machines.map((machine) => machine.name)]);
  }

  async status(): Promise<LabStatus> {
    return {
      name: this.name,
      bridge: bridgeNamespace(this.name),
      link: this.link,
      subnet: this.subnet,
      host: hostAddress(this.#record.network),
      machines: await Promise.all(this.machines.map(async (machine) => await machine.status())),
    };
  }

  /** Cuts a machine's power. */
  async kill(name: string): Promise<void> {
    const machine = this.machine(name);
    await withLabLock(this.name, quiet, async () => await machine.kill());
  }

  /** Powers a machine off in good order. */
  async poweroff(name: string): Promise<void> {
    const machine = this.machine(name);
    await withLabLock(this.name, quiet, async () => await machine.poweroff());
  }

  /** Boots a machine that is off, with the disk it had; returns when its systemd answers. */
  async revive(name: string, signal?: AbortSignal): Promise<void> {
    const machine = this.machine(name);
    await withLabLock(this.name, quiet, async () => {
      await makeBridge(this.name, this.#record.network);
      await machine.prepareDisk(layersOf(this.#record));
      await machine.boot(signal);
    });
  }
}

/**
 * Brings a lab up: makes it if it is new, adds machines if it has fewer, boots those that are off, and waits until
 * it is a working cluster (with a product) or every machine has started (without). Machines that run are left alone.
 * A call that was interrupted is completed by the next one.
 */
export async function labUp(options: LabOptions = {}): Promise<Lab> {
  const name = checkLabName(options.name ?? usualLab);
  const progress = options.progress ?? quiet;
  await checkRequirements();
  const waiting = (): void => progress(`Another command is at work on lab "${name}"; waiting for it`);
  return await withLabLock(name, waiting, async () => {
    const before = await readRecord(name);
    const others = await otherRecords(name);
    const used = others.flatMap(layersOf);
    const root = before?.rootFileSystem ?? (await rootFileSystem({ progress, signal: options.signal, used }));
    const product = options.product && (await productLayer(root, options.product, { progress, used }));
    options.signal?.throwIfAborted();
    const made =
      before === undefined ? await newRecord(name, root, options) : await grownRecord(before, options);
    const { productLayer: _, ...plain } = made;
    const record: LabRecord = product === undefined ? plain : { ...plain, productLayer: product };
    await writeRecord(record);
    const lab = await labOf(record);
    await allowMachines([record, ...others].flatMap((each) => each.machines).length, progress);
    await start(lab, record, options);
    return lab;
  });
}

async function start(lab: Lab, record: LabRecord, options: LabOptions): Promise<void> {
  const progress = options.progress ?? quiet;
  await makeBridge(record.name, record.network);
  const elapsedMs = stopwatch();
  const layers = layersOf(record);
  await Promise.all(
    lab.machines.map(async (machine) => {
      const running = await machine.isRunning();
      if (!running) await machine.releaseDisk();
      await machine.prepareDisk(layers);
      await machine.introduceOthers();
      if (running) {
        const isOld = !(await machine.liesOn(layers));
        if (isOld)
          progress(`${machine.name} runs an older build; \`argosy lab poweroff\` and \`up\` renew it`);
        return;
      }
      await machine.boot(options.signal);
      progress(`Booted ${machine.name} (${machine.address}) after ${(elapsedMs() / 1000).toFixed(1)} s`);
    }),
  );
  if (options.product === undefined) {
    await Promise.all(lab.machines.map(async (machine) => await machine.untilStarted()));
    return;
  }
  if (record.store?.by !== "cloud-config") return await untilWorking(lab.machines, options.signal);
  const { signal } = options;
  await untilConfigured(lab.machines, record.store.joins, {
    progress,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The lab of this name. Throws Fault `no-such-lab`. */
export async function openLab(name: string = usualLab): Promise<Lab> {
  const record = await readRecord(checkLabName(name));
  if (record !== undefined) return await labOf(record);
  throw new Fault("no-such-lab", `There is no lab "${name}". Make it with: argosy lab up --name ${name}`);
}

/** Removes a lab and every trace of it, complete or not. Does nothing when there is none. */
export async function labDown(
  name: string = usualLab,
  progress: (line: string) => void = quiet,
): Promise<void> {
  checkLabName(name);
  await checkRequirements();
  const waiting = (): void => progress(`Another command is at work on lab "${name}"; waiting for it`);
  await withLabLock(name, waiting, async () => {
    const group = await labControlGroup(name);
    await Promise.all((await childGroups(group)).map(killControlGroup));
    await forgetContainers(name);
    await removeControlGroup(group);
    await removeNetwork(name);
    await removeFolder(labFolder(name));
    // A lab that another command is making at this moment must not lose what it has just found there.
    await withLock("lab-network", quiet, async () => await removeEmptyParents(group));
  });
}

/** What all labs share goes with the last of them; the cache stays. */
async function removeEmptyParents(group: string): Promise<void> {
  const parent = group.slice(0, group.lastIndexOf("/"));
  if ((await childGroups(parent)).length === 0) await removeControlGroup(parent);
  if ((await namesIn(labsFolder)).length > 0) return;
  await removeEmptyFolders([labsFolder, dirname(labsFolder)]);
  await removeEmptyNamespaceFolder();
}

async function newRecord(name: string, root: string, options: LabOptions): Promise<LabRecord> {
  const count = checkCount(options.machines ?? 3);
  const members = options.members ?? usualMembers(count);
  if (!memberCounts.includes(members) || members > count) {
    throw new Fault(
      "bad-member-count",
      `A lab of ${count} machines cannot have ${members} etcd members: use 1, 3 or 5, and no more than machines.`,
    );
  }
  for (const pair of options.metadata ?? []) {
    if (!metadataShape.test(pair)) {
      throw new Fault(
        "bad-metadata",
        `Metadata is NAME=VALUE without blanks, commas and quotes, not "${pair}".`,
      );
    }
  }
  // Two labs that are made at the same moment must not pick the same network, so the choice and its record are one step.
  return await withLock("lab-network", quiet, async () => {
    const record: LabRecord = {
      format: 1,
      name,
      network: await freeNetwork(
        name,
        (await otherRecords(name)).map((other) => other.network),
      ),
      members,
      ...(options.store === undefined ? {} : { store: options.store }),
      metadata: options.metadata ?? [],
      rootFileSystem: root,
      machines: grown([], count),
    };
    if (options.cloudConfig !== undefined) await keepCloudConfig(name, options.cloudConfig);
    await writeRecord(record);
    return record;
  });
}

const metadataShape = /^[^=,"\s]+=[^,"\s]+$/;

async function grownRecord(before: LabRecord, options: LabOptions): Promise<LabRecord> {
  const { cloudConfig, store } = options;
  const isOther =
    cloudConfig !== undefined &&
    (JSON.stringify(store) !== JSON.stringify(before.store) ||
      !(await sameCloudConfig(before.name, cloudConfig)));
  if (isOther) {
    throw new Fault(
      "cloud-config-fixed",
      `Lab "${before.name}" was not made with this cloud-config, and its machines keep theirs; for another run ` +
        `argosy lab down --name ${before.name} first.`,
    );
  }
  if (options.members !== undefined && options.members !== before.members) {
    throw new Fault(
      "members-fixed",
      `Lab "${before.name}" was made with ${before.members} etcd members and keeps them; for another number run ` +
        `argosy lab down --name ${before.name} first.`,
    );
  }
  if (options.metadata !== undefined && options.metadata.join() !== before.metadata.join()) {
    throw new Fault(
      "metadata-fixed",
      `Lab "${before.name}" keeps the metadata it was made with; for another run ` +
        `argosy lab down --name ${before.name} first.`,
    );
  }
  const count = checkCount(options.machines ?? before.machines.length);
  return { ...before, machines: grown(before.machines, count) };
}

function checkCount(count: number): number {
  if (Number.isInteger(count) && count >= 1 && count <= mostMachines) return count;
  throw new Fault("bad-machine-count", `A lab has 1 to ${mostMachines} machines, not ${count}.`);
}

function grown(machines: readonly MachineRecord[], count: number): readonly MachineRecord[] {
  const more = Array.from({ length: Math.max(0, count - machines.length) }, (_, index) => {
    const number = machines.length + index + 1;
    return { name: `m${number}`, number, id: randomUUID().replaceAll("-", "") };
  });
  return [...machines, ...more];
}

/** What the disks of the lab's machines lie on, topmost first. */
function layersOf(record: LabRecord): readonly string[] {
  return [...(record.productLayer === undefined ? [] : [record.productLayer]), record.rootFileSystem];
}

async function labOf(record: LabRecord): Promise<Lab> {
  const group = await labControlGroup(record.name);
  return new Lab(
    record,
    record.machines.map((machine) => new Machine(record, machine, group)),
  );
}

async function withLabLock<T>(name: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  checkRoot();
  return await withLock(`lab-${name}`, waiting, work);
}

function quiet(): void {
  // Nobody listens.
}
