import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { Fault } from "../lib/fault.ts";
import { firstProcess, killControlGroup, makeControlGroup, processesBelow } from "./control-group.ts";
import {
  isMounted,
  mountOverlay,
  mounts,
  readIfThere,
  replaceFile,
  unmountBelow,
  writeSettings,
} from "./disk.ts";
import {
  machineAddress,
  machinePaths,
  networkNamespace,
  type LabRecord,
  type MachineRecord,
} from "./layout.ts";
import { connectMachine, setCable } from "./network.ts";
import { forgetContainers, keeper, nspawn, nspawnEnvironment } from "./nspawn.ts";
import { attachProgram, runProgram, type Finished, type ProgramOptions } from "./programs.ts";
import { fleetPort, hostsSetting, keysPort, machineSettings } from "./settings.ts";
import { checkRoot } from "./requirements.ts";
import { waitUntil } from "./waiting.ts";

/** What `argosy lab status` tells of a machine. */
export interface MachineStatus {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly state: "running" | "off";
  /** Its first process, as this machine numbers it. */
  readonly pid?: number;
  /** Not with a cloud-config, which alone says where the APIs listen besides their usual places. */
  readonly fleetApi?: string;
  readonly keysApi?: string;
  /** The socket of its fleet API as a path of this machine, while it runs. */
  readonly fleetSocket?: string;
  /** The path through which this machine sees the machine's file system (without its /run and /tmp). */
  readonly rootDirectory: string;
  readonly networkNamespace: string;
}

/** Where a machine's processes begin, and what the programs we start in it find in their environment. */
const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  USER: "root",
  LANG: "C.UTF-8",
};

/** systemd(1): SIGRTMIN+4 starts poweroff.target; SIGRTMIN is 34 with glibc. Node does not name real-time signals. */
const powerOffSignal = 34 + 4;

const bootLimitMs = 60_000;
const poweroffLimitMs = 60_000;

/** One machine of a lab. It looks up what runs each time it is asked. */
export class Machine {
  readonly name: string;
  readonly number: number;
  /** Its machine-id. */
  readonly id: string;
  readonly address: string;
  /** `http://ADDRESS:49153`, without a path. */
  readonly fleetApi: string;
  /** `http://ADDRESS:4001`, without a path. */
  readonly keysApi: string;
  /** The path through which this machine sees the machine's file system (without its /run and /tmp). */
  readonly rootDirectory: string;
  readonly networkNamespace: string;
  /** The folder of its journal, readable while the machine is off. */
  readonly journalFolder: string;
  /** The name of its lab. */
  readonly lab: string;
  readonly #lab: LabRecord;
  readonly #group: string;

  /** @param labGroup the lab's control group */
  constructor(lab: LabRecord, machine: MachineRecord, labGroup: string) {
    this.name = machine.name;
    this.number = machine.number;
    this.id = machine.id;
    this.address = machineAddress(lab.network, machine.number);
    this.fleetApi = `http://${this.address}:${fleetPort}`;
    this.keysApi = `http://${this.address}:${keysPort}`;
    this.rootDirectory = machinePaths(lab.name, machine.name).root;
    this.journalFolder = `${machinePaths(lab.name, machine.name).upper}/var/log/journal/${machine.id}`;
    this.networkNamespace = networkNamespace(lab.name, machine.name);
    this.lab = lab.name;
    this.#lab = lab;
    this.#group = `${labGroup}/${machine.name}`;
  }

  async status(): Promise<MachineStatus> {
    const pid = await firstProcess(this.#group);
    return {
      name: this.name,
      id: this.id,
      address: this.address,
      state: pid === undefined ? "off" : "running",
      ...(pid === undefined ? {} : { pid }),
      ...(this.#isImage ? {} : { fleetApi: this.fleetApi, keysApi: this.keysApi }),
      ...(pid === undefined ? {} : { fleetSocket: fleetSocketOf(pid) }),
      rootDirectory: this.rootDirectory,
      networkNamespace: this.networkNamespace,
    };
  }

  /** The socket of its fleet API as a path of this machine; undefined when it is off. */
  async fleetSocket(): Promise<string | undefined> {
    const pid = await firstProcess(this.#group);
    return pid === undefined ? undefined : fleetSocketOf(pid);
  }

  /** Whether it knows nothing but a cloud-config. */
  get #isImage(): boolean {
    return this.#lab.store?.by === "cloud-config";
  }

  async isRunning(): Promise<boolean> {
    return (await firstProcess(this.#group)) !== undefined;
  }

  /**
   * Mounts the machine's disk. A new one is made and gets its settings, once: later they are the machine's own.
   * @param layers what the machine lies on, topmost first; a mounted disk keeps what it has
   */
  async prepareDisk(layers: readonly string[]): Promise<void> {
    const paths = machinePaths(this.#lab.name, this.name);
    for (const folder of [paths.upper, paths.work, paths.root, paths.docker])
      await mkdir(folder, { recursive: true });
    if (!(await isMounted(paths.root))) {
      await mountOverlay(paths.root, { lower: layers, upper: paths.upper, work: paths.work });
    }
    if ((await readIfThere(paths.made)) !== undefined) return;
    await writeSettings(paths.root, machineSettings(this.#lab, this));
    await replaceFile(paths.made, "");
  }

  /** Tells the machine, whether it runs or not, which other machines there are. */
  async introduceOthers(): Promise<void> {
    if (this.#isImage) return;
    await writeSettings(this.rootDirectory, [hostsSetting(this.#lab)]);
  }

  /** Whether its disk lies on these layers. */
  async liesOn(layers: readonly string[]): Promise<boolean> {
    const mount = (await mounts()).find((each) => each.path === this.rootDirectory);
    return mount?.lower.join(":") === layers.join(":");
  }

  /** Unmounts the disk of a machine that is off, so that the next `prepareDisk` may lay it over something newer. */
  async releaseDisk(): Promise<void> {
    await unmountBelow(this.rootDirectory);
  }

  /**
   * Switches the machine on and returns as soon as its systemd answers; its services may still be starting.
   * Does nothing when it runs. Needs a prepared disk and the lab's bridge.
   */
  async boot(signal?: AbortSignal): Promise<void> {
    if (await this.isRunning()) return;
    await this.#clear();
    await connectMachine(this.#lab.name, this.name, this.address);
    await makeControlGroup(this.#group);
    this.#startContainer();
    let looks = 0;
    await waitUntil(
      async () => {
        const pid = await firstProcess(this.#group);
        looks += 1;
        // The shell needs a moment to join the group; after that an empty group means that the container ended.
        if (pid === undefined && looks > looksBeforeEmptyMeansEnded) await this.#failIfEnded();
        return pid !== undefined && (await exists(`/proc/${pid}/root/run/dbus/system_bus_socket`));
      },
      bootLimitMs,
      `${this.name} boots (its console is in ${machinePaths(this.#lab.name, this.name).console})`,
      signal,
    );
  }

  /** Starts systemd-nspawn so that it outlives us: a session of its own, its output in a file. */
  #startContainer(): void {
    const paths = machinePaths(this.#lab.name, this.name);
    const console = openSync(paths.console, "w");
    try {
      const child = spawn("sh", ["-c", keeper, "sh", this.#group, ...nspawn(this.#lab, this.name)], {
        detached: true,
        stdio: ["ignore", console, console],
        cwd: "/",
        env: {
          ...environment,
          ...nspawnEnvironment,
        },
      });
      // Whether it came up is seen in its control group, and why not on its console.
      child.on("error", () => undefined);
      child.unref();
    } finally {
      closeSync(console);
    }
  }

  async #failIfEnded(): Promise<void> {
    if ((await processesBelow(this.#group)).length > 0) return;
    const { console } = machinePaths(this.#lab.name, this.name);
    const said = ((await readIfThere(console)) ?? "").trim().split("\n").at(-1) ?? "";
    throw new Fault(
      "boot-failed",
      `${this.name} did not boot: ${said || "it ended without a word"} (see ${console}).`,
    );
  }

  /**
   * Runs a program inside the machine, as root, in all its namespaces, and returns how it ended. Throws Fault
   * `machine-off`, and what `runProgram` throws. `environment` is added to the machine's own.
   */
  async exec(words: readonly string[], options: ProgramOptions = {}): Promise<Finished> {
    const { environment: added, ...others } = options;
    return await runProgram("sh", await this.#inside(words, added), others);
  }

  /** Runs a program inside the machine on our own terminal and returns its exit code. */
  async execAttached(
    words: readonly string[],
    added: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    return await attachProgram("sh", await this.#inside(words, added));
  }

  /** The words for `sh` that enter the machine: its namespaces, its root folder, and a control group below its own. */
  async #inside(
    words: readonly string[],
    added: Readonly<Record<string, string>> = {},
  ): Promise<readonly string[]> {
    checkRoot();
    const pid = await firstProcess(this.#group);
    if (pid === undefined) {
      throw new Fault(
        "machine-off",
        `${this.name} of lab "${this.#lab.name}" is off. Boot it with: argosy lab revive ${this.name} --name ${this.#lab.name}`,
      );
    }
    const group = `${this.#group}/payload/argosy-exec`;
    const join = 'mkdir -p "$1" && echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
    const variables = Object.entries({ ...environment, ...added }).map(([name, value]) => `${name}=${value}`);
    const enter = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"];
    return [
      "-c",
      join,
      "sh",
      group,
      "nsenter",
      `--target=${pid}`,
      ...enter,
      ...atOurEnd,
      "env",
      "-i",
      ...variables,
      ...words,
    ];
  }

  /**
   * Prints the machine's journal on our own output and returns journalctl's exit code. Of a machine that is off, what
   * its disk holds; there is nothing to follow then.
   * @param flags of journalctl
   */
  async printJournal(flags: readonly string[]): Promise<number> {
    if (await this.isRunning()) return await this.execAttached(["journalctl", "--no-pager", ...flags]);
    const still = flags.filter((flag) => flag !== "--follow");
    return await attachProgram("journalctl", ["--no-pager", `--directory=${this.journalFolder}`, ...still]);
  }

  /** Waits until systemd has nothing left to start; says whether all came up (`running`) or something failed (`degraded`). */
  async untilStarted(limitMs = bootLimitMs): Promise<string> {
    const { stdout } = await this.exec(["systemctl", "is-system-running", "--wait"], { limitMs });
    return stdout.trim();
  }

  /** Loss of power: the cable goes dead first, so nobody hears a goodbye, then every process at once. */
  async kill(): Promise<void> {
    await this.cutLink();
    await this.#clear();
  }

  /** Ends what is left of its processes, and removes what they left outside of the machine. */
  async #clear(): Promise<void> {
    await killControlGroup(this.#group);
    await forgetContainers(this.#lab.name, this.name);
  }

  /** An orderly power-off, as from its power button; returns when the machine is off. Does nothing when it is. */
  async poweroff(): Promise<void> {
    const pid = await firstProcess(this.#group);
    if (pid === undefined) return;
    process.kill(pid, powerOffSignal);
    await waitUntil(
      async () => (await processesBelow(this.#group)).length === 0,
      poweroffLimitMs,
      `${this.name} powers off (its console is in ${machinePaths(this.#lab.name, this.name).console})`,
    );
    await this.#clear();
  }

  /** Pulls the cable: the machine runs on alone. */
  async cutLink(): Promise<void> {
    await setCable(this.#lab.name, this.name, "down");
  }

  /** Plugs the cable in again. */
  async restoreLink(): Promise<void> {
    await setCable(this.#lab.name, this.name, "up");
  }
}

/** A program inside ends with the program outside that entered the machine for it, and no more than the machine sets the clock. */
const atOurEnd = ["--", "setpriv", "--pdeathsig", "TERM", "--bounding-set", "-sys_time", "--"];

function fleetSocketOf(pid: number): string {
  return `/proc/${pid}/root/run/fleet.sock`;
}

/** How often we look (every 20 ms) before a group without processes counts as a container that ended. */
const looksBeforeEmptyMeansEnded = 100;

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
