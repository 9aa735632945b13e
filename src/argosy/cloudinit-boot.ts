import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import type { BootStage } from "../cloudinit/apply.ts";
import type { Journal } from "../cloudinit/carry-out.ts";
import type { Datasource } from "../cloudinit/datasources/datasource.ts";
import { firmwareFiles, presetOf } from "../cloudinit/platform.ts";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import { ownAddress, ownAddress6 } from "../lib/own-address.ts";

/** What is remembered over boots. */
const stateFolder = "/var/lib/coreos-cloudinit";
/** How each source went, a file for each. */
export const outcomesFolder = `${stateFolder}/outcomes`;
const foundAddressesFile = `${stateFolder}/found-addresses.json`;
/** What the early stage leaves for the one behind the network: a file of flags for each source. */
const laterFolder = "/run/coreos-cloudinit/later";
/** How long the stage behind the network waits for an address. */
const addressLimitMs = 2 * 60_000;
/** How long systemd may take to queue a job. */
const queueLimitMs = 60_000;

type Variables = Readonly<Record<string, string | undefined>>;

/** How one source went at a boot, as `argosy cloud-config status` shows it. */
export interface BootOutcome {
  readonly format: 1;
  readonly source: string;
  /** When this user-data was first applied, and when last; ISO 8601. */
  readonly first: string;
  readonly last: string;
  /** How often it was applied, this time included. */
  readonly boots: number;
  /** SHA-256 of the user-data, in hexadecimal digits. */
  readonly digest: string;
  /** `waiting`: what needs this machine's addresses is done once the network is up. */
  readonly result: "applied" | "failed" | "waiting";
  /** What went wrong, a sentence each. */
  readonly problems: readonly string[];
}

/** One run of coreos-cloudinit as a unit of the boot. */
export class BootRun {
  readonly #env: Env;
  readonly #source: Datasource;
  readonly #id: string;
  readonly #flags: readonly string[];
  readonly #problems: string[] = [];
  #isWaiting = false;
  #found: Readonly<Record<string, string>> = {};
  #digest = "";

  /** @param flags those that name the source, for the stage behind the network */
  constructor(env: Env, source: Datasource, flags: readonly string[]) {
    this.#env = env;
    this.#source = source;
    this.#flags = flags;
    this.#id = createHash("sha256").update(flags.join("\n")).digest("hex").slice(0, 12);
  }

  /** The source, and a note in passing of what it gives. */
  get source(): Datasource {
    const source = this.#source;
    return {
      ...source,
      isAvailable: async () => await source.isAvailable(),
      metadata: async () => await source.metadata(),
      userData: async () => {
        const bytes = await source.userData();
        this.#digest = createHash("sha256").update(bytes).digest("hex");
        return bytes;
      },
    };
  }

  /** A journal that also remembers what went wrong. */
  journal(journal: Journal): Journal {
    return {
      note: (sentence) => journal.note(sentence),
      error: (sentence) => {
        this.#problems.push(sentence);
        journal.error(sentence);
      },
    };
  }

  /** @param early whether this stage runs before the network, and so does not wait for it */
  stage(early: boolean, signal: AbortSignal): BootStage {
    return {
      addresses: async () => {
        this.#found = early ? await addressesNow() : await awaitAddresses(signal);
        return this.#found;
      },
      ...(early ? { later: async () => await this.#later() } : {}),
    };
  }

  /** Remembers how it went; a sentence about it. */
  async finish(code: number): Promise<string> {
    const path = `${outcomesFolder}/${this.#id}.json`;
    const before = await readOutcome(path);
    const isSame = before?.digest === this.#digest;
    const now = new Date(this.#env.clock.now()).toISOString();
    const outcome: BootOutcome = {
      format: 1,
      source: this.#source.name,
      first: isSame ? before.first : now,
      last: now,
      boots: isSame ? before.boots + (before.result === "waiting" ? 0 : 1) : 1,
      digest: this.#digest,
      result: this.#isWaiting ? "waiting" : code === 0 ? "applied" : "failed",
      problems: this.#problems,
    };
    await mkdir(outcomesFolder, { recursive: true, mode: 0o755 });
    await replace(path, `${JSON.stringify(outcome, null, 2)}\n`);
    if (Object.keys(this.#found).length > 0)
      await replace(foundAddressesFile, `${JSON.stringify(this.#found)}\n`);
    const times =
      outcome.boots === 1 ? "for the first time" : `${outcome.boots} times since ${outcome.first}`;
    return `${outcome.source}: ${outcome.result}, ${times}`;
  }

  async #later(): Promise<void> {
    this.#isWaiting = true;
    await mkdir(laterFolder, { recursive: true, mode: 0o700 });
    const flags = this.#flags.join(" ");
    await writeFile(`${laterFolder}/${this.#id}.env`, `COREOS_CLOUDINIT_FLAGS=${flags}\n`, { mode: 0o600 });
    const unit = `user-cloudinit-late@${this.#id}.service`;
    await promisify(execFile)("systemctl", ["start", "--no-block", unit], { timeout: queueLimitMs });
  }
}

/**
 * The environment without addresses that an earlier boot found by itself: the machine may have others by now, and only what
 * metadata or the administrator said holds over a boot.
 */
export async function lastingVariables(variables: Variables): Promise<Variables> {
  const text = await readFile(foundAddressesFile, "utf8").catch(() => "{}");
  let found: Readonly<Record<string, unknown>> = {};
  try {
    found = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    // A file that somebody broke tells nothing, and is written anew.
  }
  return Object.fromEntries(Object.entries(variables).filter(([name, value]) => found[name] !== value));
}

/** The preset of `--oem` for the provider that this machine runs at; undefined when nobody is known there. */
export async function foundPreset(presets: readonly string[]): Promise<string | undefined> {
  const text = async (path: string): Promise<string> => (await readFile(path, "utf8").catch(() => "")).trim();
  const firmware: Record<string, string> = {};
  for (const name of firmwareFiles) firmware[name] = await text(`/sys/class/dmi/id/${name}`);
  return presetOf(await text("/proc/cmdline"), firmware, presets);
}

/** Outcomes in these files of the folder, sorted by source. */
export async function readOutcomes(names: readonly string[]): Promise<readonly BootOutcome[]> {
  const read = await Promise.all(names.map((name) => readOutcome(`${outcomesFolder}/${name}`)));
  return read
    .filter((outcome) => outcome !== undefined)
    .toSorted((one, other) => (one.source < other.source ? -1 : 1));
}

async function readOutcome(path: string): Promise<BootOutcome | undefined> {
  try {
    const read = JSON.parse(await readFile(path, "utf8")) as BootOutcome & { readonly format: unknown };
    return read.format === 1 ? read : undefined;
  } catch {
    // There is none yet, or one that is not ours.
    return undefined;
  }
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

/** What this machine's interfaces have now. A machine with one address for everybody has it as the public one, too. */
async function addressesNow(): Promise<Readonly<Record<string, string>>> {
  const routes = await readFile("/proc/net/route", "utf8").catch(() => "");
  const interfaces = networkInterfaces();
  const address = ownAddress(routes, interfaces);
  const address6 = ownAddress6(interfaces);
  return {
    ...(address === "" ? {} : { COREOS_PRIVATE_IPV4: address, COREOS_PUBLIC_IPV4: address }),
    ...(address6 === "" ? {} : { COREOS_PRIVATE_IPV6: address6, COREOS_PUBLIC_IPV6: address6 }),
  };
}

/** Looks again whenever the kernel tells of a change, until there is an IPv4 address or the time is over. */
async function awaitAddresses(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const child = spawn("ip", ["monitor", "address", "route"], {
    stdio: ["ignore", "pipe", "ignore"],
    signal: AbortSignal.any([signal, AbortSignal.timeout(addressLimitMs)]),
  });
  const ended = new Promise<void>((resolve) => {
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
  let found = await addressesNow();
  try {
    if (found["COREOS_PRIVATE_IPV4"] !== undefined) return found;
    await new Promise<void>((resolve) => {
      void ended.then(resolve);
      child.stdout.on("data", () => {
        void addressesNow().then((now) => {
          found = now;
          if (now["COREOS_PRIVATE_IPV4"] !== undefined) resolve();
        });
      });
    });
    return found;
  } finally {
    child.kill();
    await ended;
  }
}

/** Why an outcome could not be written, as a sentence; the machine boots on. */
export function forgetfulness(error: unknown): string {
  return `cannot remember how the cloud-config went: ${sentenceOf(error)}`;
}
