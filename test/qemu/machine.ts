import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { expectProgram, type Finished, runProgram } from "../../src/lab/programs.ts";
import { Fault } from "../../src/lib/fault.ts";
import { emulator } from "./emulator.ts";
import { SerialConsole } from "./serial.ts";

/** A virtual machine of a test. */
export interface MachineOptions {
  /** Its folder is named so. */
  readonly name: string;
  /** Where it keeps its disk, console and keys; emptied first. */
  readonly folder: string;
  /** The image its disk is a copy of. */
  readonly image: string;
  /** Bytes of its disk. */
  readonly diskBytes?: number;
  readonly memoryMiB?: number;
  readonly processors?: number;
  /** Its user-data, given on a config drive. */
  readonly cloudConfig?: string;
  /** Credentials that its systemd gets from the firmware, besides root's key. */
  readonly credentials?: Readonly<Record<string, string>>;
  /** Words that the firmware adds to the kernel's command line. */
  readonly commandLine?: string;
  /** Its place on a network of this computer; without one QEMU gives it a network of its own, which leads outside. */
  readonly place?: Place;
}

/** Where a machine is on a network that it shares with others and with this computer. */
export interface Place {
  /** The interface of this computer that is its end of the cable. */
  readonly tap: string;
  readonly hardwareAddress: string;
  readonly address: string;
  /** This computer's address there. */
  readonly gateway: string;
}

/** An option of QEMU and its value. */
type Option = readonly [string, string];

/** Four gigabytes: two slots of 656 MiB, the loader's 256 MiB, and what the machine keeps. */
const usualDiskBytes = 4 * 1024 ** 3;
const firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const firmwareVariables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/**
 * Everything QEMU can emulate but what makes programs choose ways that are fast on a processor and slow here: wide vectors,
 * copying by bytes, and tables of pages that are five levels deep.
 */
const emulatedProcessor = "max,-avx,-avx2,-f16c,-fma,-erms,-la57,-smap";
/** Installing an update took more than 20 minutes where others used most of the computer. */
const sshLimitMs = 60 * 60_000;

/** A boot takes about a minute on an idle computer, and many where others work as well. */
export const bootLimitMs = 15 * 60_000;

/** What a machine prints on its console once its boot is good. */
export function blessedPattern(version: string): RegExp {
  return new RegExp(`Argosy ${version.replaceAll(".", "\\.")} is up: this boot is good`);
}

/** A machine in QEMU, without hardware virtualization: it works anywhere, a tenth as fast. */
export class Machine {
  readonly name: string;
  readonly folder: string;
  readonly #options: MachineOptions;
  /** The port of this computer that leads to its ssh server, where it has no address that this computer reaches. */
  readonly #sshPort: number;
  #console = new SerialConsole();
  #process: ChildProcess | undefined;

  private constructor(options: MachineOptions, sshPort: number) {
    this.name = options.name;
    this.folder = options.folder;
    this.#options = options;
    this.#sshPort = sshPort;
  }

  /** Makes a machine with a fresh disk and powers it on. */
  static async start(options: MachineOptions): Promise<Machine> {
    const { folder, image, diskBytes = usualDiskBytes, cloudConfig } = options;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await expectProgram("cp", ["--sparse=always", "--reflink=auto", image, `${folder}/disk.raw`]);
    await expectProgram("truncate", ["--size", String(diskBytes), `${folder}/disk.raw`]);
    await copyFile(firmwareVariables, `${folder}/variables.fd`);
    await expectProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/key`]);
    if (cloudConfig !== undefined) await makeConfigDrive(folder, cloudConfig);
    const machine = new Machine(options, await freePort());
    await machine.powerOn();
    return machine;
  }

  /** Powers it on, with the disk as it is. */
  async powerOn(): Promise<void> {
    const screen = new SerialConsole();
    this.#console = screen;
    const key = (await readFile(`${this.folder}/key.pub`)).toString("base64");
    // Dies with us, whatever ends us. Politely: others work on this computer.
    const { words, variables } = await emulator();
    const polite = ["--pdeathsig", "KILL", "--", "nice", "-n", "10"];
    const child = spawn("setpriv", [...polite, ...words, ...this.#arguments(key)], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...variables },
    });
    this.#process = child;
    child.stdout.setEncoding("utf8");
    child.stderr.setEncoding("utf8");
    child.stdout.on("data", (text: string) => screen.take(text));
    child.stderr.on("data", (text: string) => screen.take(`QEMU: ${text}`));
    child.on("error", (error) =>
      screen.end(new Fault("machine-ended", `QEMU did not start: ${error.message}`)),
    );
    child.on("exit", () => {
      screen.end(
        new Fault("machine-ended", `The machine ${this.name} ended. Its last lines:\n${screen.tail(30)}`),
      );
    });
  }

  #arguments(key: string): readonly string[] {
    const {
      memoryMiB = 2048,
      processors = 2,
      cloudConfig,
      credentials = {},
      place,
      commandLine,
    } = this.#options;
    const drive = (name: string, file: string, more: string): readonly Option[] => [
      ["-drive", `if=none,id=${name},format=raw,file=${file},${more}`],
      ["-device", `virtio-blk-pci,drive=${name}`],
    ];
    const credential = (name: string, base64: string): Option => [
      "-smbios",
      `type=11,value=io.systemd.credential.binary:${name}=${base64}`,
    ];
    const options: Option[] = [
      ["-machine", "q35,smm=off"],
      ["-accel", "tcg,thread=multi,tb-size=512"],
      ["-cpu", emulatedProcessor],
      ["-smp", String(processors)],
      ["-m", String(memoryMiB)],
      ["-display", "none"],
      ["-chardev", `stdio,id=serial,signal=off,logfile=${this.folder}/console.log,logappend=on`],
      ["-serial", "chardev:serial"],
      ["-device", "virtio-rng-pci"],
      ["-drive", `if=pflash,format=raw,readonly=on,file=${firmware}`],
      ["-drive", `if=pflash,format=raw,file=${this.folder}/variables.fd`],
      ...drive("disk", `${this.folder}/disk.raw`, "cache=writeback"),
      ...(place === undefined
        ? ([
            ["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${this.#sshPort}-:22`],
            ["-device", "virtio-net-pci,netdev=net,romfile="],
          ] as const)
        : ([
            ["-netdev", `tap,id=net,ifname=${place.tap},script=no,downscript=no`],
            ["-device", `virtio-net-pci,netdev=net,romfile=,mac=${place.hardwareAddress}`],
            credential("network.network.10-place", Buffer.from(networkFile(place)).toString("base64")),
          ] as const)),
      credential("ssh.authorized_keys.root", key),
      ...Object.entries(credentials).map(([name, value]) =>
        credential(name, Buffer.from(value).toString("base64")),
      ),
    ];
    if (commandLine !== undefined)
      options.push(["-smbios", `type=11,value=io.systemd.stub.kernel-cmdline-extra=${commandLine}`]);
    if (cloudConfig !== undefined) {
      options.push(...drive("config", `${this.folder}/config.iso`, "readonly=on"));
    }
    return ["-nodefaults", ...options.flat()];
  }

  /** What it prints on its serial console, since it was last powered on. */
  get console(): SerialConsole {
    return this.#console;
  }

  /** Runs a command as root; its exit code is the command's. */
  async run(command: string, input?: string | Uint8Array): Promise<Finished> {
    const { place } = this.#options;
    const [host, port] = place === undefined ? ["127.0.0.1", this.#sshPort] : [place.address, 22];
    const options = [
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "LogLevel=ERROR",
      "ConnectTimeout=60",
    ];
    const words = [
      "-i",
      `${this.folder}/key`,
      "-p",
      String(port),
      ...options.flatMap((each) => ["-o", each]),
    ];
    return await runProgram("ssh", [...words, `root@${host}`, command], {
      limitMs: sshLimitMs,
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Runs a command as root and returns what it printed. Throws Fault `command-failed`. */
  async expect(command: string, input?: string | Uint8Array): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, input);
    if (code === 0) return stdout;
    throw new Fault("command-failed", `On ${this.name} "${command}" ended with ${code}: ${stderr}${stdout}`);
  }

  /** Takes its power away, as pulling the plug does. */
  async cutPower(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** Takes its power away and removes all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** How systemd-networkd configures the machine's end of the cable. */
function networkFile({ hardwareAddress, address, gateway }: Place): string {
  return `[Match]\nMACAddress=${hardwareAddress}\n[Network]\nAddress=${address}/24\nGateway=${gateway}\n`;
}

/** A config drive as OpenStack gives it: a file system named config-2. */
async function makeConfigDrive(folder: string, cloudConfig: string): Promise<void> {
  const files = `${folder}/config/openstack/latest`;
  await mkdir(files, { recursive: true });
  await writeFile(`${files}/user_data`, cloudConfig);
  await writeFile(`${files}/meta_data.json`, "{}\n");
  await expectProgram("genisoimage", [
    "-quiet",
    "-R",
    "-J",
    "-V",
    "config-2",
    "-o",
    `${folder}/config.iso`,
    `${folder}/config`,
  ]);
}

/** A TCP port of this computer that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address === "object" && address !== null) return address.port;
  throw new Fault("no-port", "No port of this computer is free.");
}
