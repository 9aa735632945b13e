import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault, sentenceOf } from "../lib/fault.ts";
import {
  type BootEntry,
  condemnedName,
  counted,
  entryOf,
  parseTransfer,
  redirected,
  stateOf,
} from "../update/boot-entries.ts";
import type { Offer } from "../update/offer.ts";
import type { SlotPicture, Slots, TellProgress } from "../update/slots.ts";
import { filesOf, type Sum } from "../update/sums.ts";
import { type DownloadSettings, fetchSignedList } from "./release-download.ts";

/** Where transfer files are, and which of two with the same name counts (sysupdate.d(5)). */
export const transferFolders: readonly string[] = [
  "/etc/sysupdate.d",
  "/run/sysupdate.d",
  "/usr/local/lib/sysupdate.d",
  "/usr/lib/sysupdate.d",
];

export interface SysupdateSettings extends DownloadSettings {
  readonly transferFolders: readonly string[];
  /** Gets the transfer files with the address of the release in them. */
  readonly definitions: string;
  /** systemd-sysupdate; Debian keeps it out of the PATH. */
  readonly program: string;
  readonly blessProgram: string;
  /** The version that runs (IMAGE_VERSION). */
  readonly running: string;
  /** Where the entries are; undefined: bootctl is asked. */
  readonly entryFolder?: string;
}

/** How long an installation may take. */
const installLimitMs = 6 * 3_600_000;
const programLimitMs = 30_000;
/** Tries of a new version where the transfer file does not say. */
const usualTries = 3;
/** The end of what systemd-sysupdate said that is kept for its explanation. */
const mostSaidBytes = 64 * 1024;

/** Slots as partitions and kernels: systemd-sysupdate writes them, systemd-boot takes them, and counts the tries. */
export class SysupdateSlots implements Slots {
  readonly #settings: SysupdateSettings;

  constructor(settings: SysupdateSettings) {
    this.#settings = settings;
  }

  async look(): Promise<SlotPicture> {
    const { running } = this.#settings;
    const { entries } = await this.#entries();
    const own = entries.find(({ version }) => version === running);
    return {
      running,
      trial: own?.left !== undefined && own.left >= 0,
      others: entries
        .filter((entry) => entry !== own)
        .map((entry) => ({ version: entry.version, state: stateOf(entry) })),
    };
  }

  async install(offer: Offer, folder: string, tell: TellProgress, signal: AbortSignal): Promise<void> {
    const { sums } = await fetchSignedList(this.#settings, folder, offer.digest, signal);
    const files = filesOf(sums, offer.version);
    if (files.length === 0)
      throw new Fault("update-list", `the list in ${folder} has no version ${offer.version}`);
    tell({ fraction: 0, verifying: false });
    if (!(await this.#isRevived(offer.version, files))) {
      await this.#define(folder);
      const entryFolder = await this.#clearEmptied();
      await this.#sysupdate(offer.version, tell, signal);
      await keep(entryFolder).catch((error: unknown) => {
        throw slotsFault(`cannot have ${entryFolder} written to the disk`, error);
      });
    }
    tell({ fraction: 1, verifying: true });
  }

  /**
   * systemd-sysupdate installs nothing that is there, and a condemned version is. If its kernel is still the one of the signed
   * list, which names the blocks of its /usr by their root hash, it gets new tries; otherwise it is not there any more.
   */
  async #isRevived(version: string, files: readonly Sum[]): Promise<boolean> {
    const { folder, entries, tries } = await this.#entries();
    const entry = entries.find((each) => each.version === version);
    if (entry === undefined || stateOf(entry) !== "bad") return false;
    const path = join(folder, entry.file);
    try {
      const hash = createHash("sha256");
      for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
      const digest = hash.digest("hex");
      if (files.some(({ sha256 }) => sha256 === digest)) {
        await rename(path, join(folder, counted(entry, tries, 0)));
        await keep(folder);
        return true;
      }
      await rm(path);
      await keep(folder);
      return false;
    } catch (error) {
      throw slotsFault(`cannot make ${entry.file} in ${folder} bootable again`, error);
    }
  }

  /** Takes away what a power cut has emptied, since systemd-sysupdate would hold it for installed; gives the folder of boot entries. */
  async #clearEmptied(): Promise<string> {
    const { folder, emptied } = await this.#entries();
    try {
      for (const file of emptied) await rm(join(folder, file));
      return folder;
    } catch (error) {
      throw slotsFault(`cannot remove empty boot entries in ${folder}`, error);
    }
  }

  async bless(): Promise<void> {
    const { running, blessProgram } = this.#settings;
    const { folder, entries } = await this.#entries();
    const own = entries.find(({ version }) => version === running);
    if (own?.left === undefined) return;
    try {
      await promisify(execFile)(blessProgram, ["good"], { timeout: programLimitMs });
    } catch (error) {
      throw slotsFault(`cannot bless ${own.file} in ${folder}`, error);
    }
  }

  async condemn(version: string): Promise<void> {
    const { folder, entries } = await this.#entries();
    const entry = entries.find((each) => each.version === version);
    if (entry === undefined) return;
    try {
      await rename(join(folder, entry.file), join(folder, condemnedName(entry)));
      await keep(folder);
    } catch (error) {
      throw slotsFault(`cannot rename ${entry.file} in ${folder}`, error);
    }
  }

  /** Transfer files that fetch from this folder. */
  async #define(folder: string): Promise<void> {
    const { definitions } = this.#settings;
    const transfers = await this.#transfers();
    try {
      await rm(definitions, { recursive: true, force: true });
      await mkdir(definitions, { recursive: true });
      for (const [name, text] of transfers)
        await writeFile(join(definitions, name), redirected(text, folder));
    } catch (error) {
      throw slotsFault(`cannot write transfer files to ${definitions}`, error);
    }
  }

  async #sysupdate(version: string, tell: TellProgress, signal: AbortSignal): Promise<void> {
    const { program, definitions } = this.#settings;
    const words = [`--definitions=${definitions}`, "update", version];
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C.UTF-8", SYSTEMD_COLORS: "0", SYSTEMD_EMOJI: "0" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(installLimitMs)]),
    });
    let said = "";
    const hear = (piece: Buffer): void => {
      said = (said + piece.toString("utf8")).slice(-mostSaidBytes);
      const percent = [...piece.toString("utf8").matchAll(/(\d{1,3})%/g)].at(-1)?.[1];
      if (percent !== undefined) tell({ fraction: Math.min(1, Number(percent) / 100), verifying: false });
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw slotsFault(`cannot run ${program}`, error);
    });
    if (code !== 0) throw sysupdateFault(version, said);
  }

  /** What is bootable, where it is, which files there are empty, and how many tries a new one gets. */
  async #entries(): Promise<{
    readonly folder: string;
    readonly entries: readonly BootEntry[];
    readonly emptied: readonly string[];
    readonly tries: number;
  }> {
    const transfers = [...(await this.#transfers()).values()].map(parseTransfer);
    const kernel = transfers.findLast(
      ({ target }) => target["Type"] === "regular-file" && /@v/.test(target["MatchPattern"] ?? ""),
    )?.target;
    if (kernel === undefined) {
      throw new Fault(
        "update-slots",
        `no transfer file in ${this.#settings.transferFolders.join(", ")} writes a kernel; this machine is no image that updates itself`,
      );
    }
    const folder = await this.#entryFolder(kernel);
    const patterns = (kernel["MatchPattern"] ?? "").split(/\s+/);
    const tries = /^[1-9]\d?$/.test(kernel["TriesLeft"] ?? "") ? Number(kernel["TriesLeft"]) : usualTries;
    try {
      const found = (await readdir(folder)).flatMap((name) => entryOf(patterns, name) ?? []);
      const sizes = await Promise.all(found.map(async ({ file }) => (await stat(join(folder, file))).size));
      const entries = found.filter((_, at) => sizes[at] !== 0);
      const emptied = found.filter((_, at) => sizes[at] === 0).map(({ file }) => file);
      return { folder, entries, emptied, tries };
    } catch (error) {
      throw slotsFault(`cannot read the boot entries in ${folder}`, error);
    }
  }

  async #entryFolder(kernel: Readonly<Record<string, string>>): Promise<string> {
    const path = kernel["Path"] ?? "/EFI/Linux";
    const { entryFolder } = this.#settings;
    if (entryFolder !== undefined) return entryFolder;
    const relative = kernel["PathRelativeTo"] ?? "root";
    if (relative === "root") return path;
    const flag = relative === "esp" ? "--print-esp-path" : "--print-boot-path";
    try {
      const { stdout } = await promisify(execFile)("bootctl", [flag], { timeout: programLimitMs });
      return join(stdout.trim(), path);
    } catch (error) {
      throw slotsFault("cannot find the partition with the boot loader", error);
    }
  }

  /** The transfer files by name; one in an earlier folder covers one in a later. */
  async #transfers(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const folder of this.#settings.transferFolders) {
      const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
        throw slotsFault(`cannot read ${folder}`, error);
      });
      for (const name of names.filter((each) => /\.(transfer|conf)$/.test(each))) {
        if (!found.has(name)) found.set(name, await readFile(join(folder, name), "utf8"));
      }
    }
    return new Map([...found].sort(([left], [right]) => (left < right ? -1 : 1)));
  }
}

/** What systemd-sysupdate 257 (with systemd-pull) says when an update does not work, and what that means for the release. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [/^DOWNLOAD INVALID: Signature.*$/m, "update-signature"],
  [/^DOWNLOAD INVALID: .*$/m, "update-file"],
  [/^HTTP request to .* failed.*$/m, "update-transfer"],
  [/^.*(?:Transfer failed|Could not resolve|[Cc]onnection|timed out|Timeout).*$/m, "update-transfer"],
];

function sysupdateFault(version: string, said: string): Fault {
  const lines = said.trim().split("\n");
  for (const [pattern, code] of meanings) {
    const line = pattern.exec(said)?.[0];
    if (line !== undefined)
      return new Fault(code, `systemd-sysupdate could not install ${version}: ${line.trim()}`);
  }
  const line =
    lines.findLast((each) => /fail|invalid|error|not |refus|no such/i.test(each)) ?? lines.at(-1) ?? "";
  return new Fault("update-slots", `systemd-sysupdate could not install ${version}: ${line.trim()}`);
}

/**
 * Has the disk keep what is in the boot loader's folder, so that a power cut takes nothing of it back. On FAT a file that was
 * renamed is empty until it is written out itself, which neither systemd-sysupdate nor writing out the folder does.
 */
async function keep(folder: string): Promise<void> {
  const names = await readdir(folder);
  for (const path of [...names.map((name) => join(folder, name)), folder]) {
    const handle = await open(path);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function slotsFault(deed: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  return new Fault("update-slots", `${deed}: ${said === "" ? sentenceOf(error) : said}`, { cause: error });
}
