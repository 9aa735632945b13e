import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { UnitName } from "../fleet/model.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { hashUnitText } from "../unit/hash.ts";
import { problemWithName } from "../unit/name.ts";

/** Files being written; the dot and the missing suffix keep them out of every list. */
const unfinishedPrefix = ".unfinished-";

/**
 * Where systemd looks for units of others, strongest first (systemd.unit(5), system manager).
 * Ours must not hide one of theirs, nor be hidden by it.
 */
const foreignDirectories = [
  "/etc/systemd/system.control",
  "/run/systemd/system.control",
  "/run/systemd/transient",
  "/run/systemd/generator.early",
  "/etc/systemd/system",
  "/run/systemd/generator",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/run/systemd/generator.late",
];
const runtimeDirectory = "/run/systemd/system";

/**
 * The folder with the unit files that are ours. It lies in memory (/run), so reads and writes are synchronous and
 * nothing is forced to a disk: a reboot clears it.
 */
export class UnitDirectory {
  /** The folder as systemd sees it, without a slash at its end. */
  readonly #inside: string;
  /** In front of every path we open ourselves; empty on a real machine. */
  readonly #root: string;
  #written = 0;

  /** Makes the folder and removes what an interrupted write left. Throws Fault `units-directory`. */
  constructor(inside: string, root: string) {
    this.#inside = resolve(inside);
    this.#root = root;
    try {
      this.#make();
      this.#refuseFoldersOfOthers();
      for (const file of readdirSync(root + inside)) {
        if (file.startsWith(unfinishedPrefix)) rmSync(join(root + inside, file), { force: true });
      }
    } catch (error) {
      throw new Fault(
        "units-directory",
        `cannot use ${root}${inside} for unit files: ${sentenceOf(error)}; it has to be a folder of their own that root may write to`,
        { cause: error },
      );
    }
  }

  /** The path systemd has to be told for `name`. */
  pathOf(name: UnitName): string {
    return join(this.#inside, name);
  }

  /** Every unit of ours with the SHA-1 of its file, in name order. */
  hashes(): ReadonlyMap<UnitName, string> {
    const found = new Map<UnitName, string>();
    this.#make();
    for (const name of readdirSync(this.#root + this.#inside).sort()) {
      const isUnit = problemWithName(name) === undefined && this.has(name);
      const text = isUnit ? this.read(name) : undefined;
      if (text !== undefined) found.set(name, hashUnitText(text));
    }
    return found;
  }

  has(name: UnitName): boolean {
    return kindOf(this.#file(name)) === "file";
  }

  /** The text of the unit's file, or undefined when there is none. */
  read(name: UnitName): string | undefined {
    try {
      return readFileSync(this.#file(name), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Puts the text in place in one step: systemd sees the old file or the new one, never half of it. */
  write(name: UnitName, text: string): void {
    this.#writeThen(text, (unfinished) => renameSync(unfinished, this.#file(name)));
  }

  /** Throws what `write` would throw for want of room. */
  checkRoom(text: string): void {
    this.#writeThen(text, (unfinished) => rmSync(unfinished));
  }

  #writeThen(text: string, act: (unfinished: string) => void): void {
    const unfinished = join(this.#root + this.#inside, `${unfinishedPrefix}${this.#written++}`);
    this.#make();
    try {
      writeFileSync(unfinished, text, { mode: 0o644 });
      act(unfinished);
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    }
  }

  remove(name: UnitName): void {
    rmSync(this.#file(name), { force: true });
  }

  /** Makes systemd find the file, in one step, until the next boot. */
  link(name: UnitName): void {
    const path = this.#root + join(runtimeDirectory, name);
    if (kindOf(path) === "link" && readlinkSync(path) === this.pathOf(name)) return;
    const unfinished = this.#root + join(runtimeDirectory, `${unfinishedPrefix}${this.#written++}`);
    mkdirSync(this.#root + runtimeDirectory, { recursive: true, mode: 0o755 });
    rmSync(unfinished, { force: true });
    symlinkSync(this.pathOf(name), unfinished);
    renameSync(unfinished, path);
  }

  /** Takes `link` back; a link or file of somebody else stays. */
  unlink(name: UnitName): void {
    const path = join(runtimeDirectory, name);
    if (kindOf(this.#root + path) === "link" && !this.#linksElsewhere(path)) rmSync(this.#root + path);
  }

  /** The file of somebody else that has this name, or undefined. */
  foreignFile(name: UnitName): string | undefined {
    const runtime = join(runtimeDirectory, name);
    if (kindOf(this.#root + runtime) === "file") return runtime;
    if (this.#linksElsewhere(runtime)) return runtime;
    return foreignDirectories
      .map((directory) => join(directory, name))
      .find((path) => kindOf(this.#root + path) !== "none");
  }

  /** Also when somebody removed it while we run. */
  #make(): void {
    mkdirSync(this.#root + this.#inside, { recursive: true, mode: 0o755 });
  }

  /** What lies in fleet's folder is fleet's, and is stopped and removed when nobody asks for it. */
  #refuseFoldersOfOthers(): void {
    const own = statSync(this.#root + this.#inside);
    const taken = [runtimeDirectory, ...foreignDirectories].find((folder) => {
      const found = statSync(this.#root + folder, { throwIfNoEntry: false });
      return found?.ino === own.ino && found.dev === own.dev;
    });
    if (taken !== undefined) throw new Error(`systemd looks for units of others in ${taken}`);
  }

  #linksElsewhere(path: string): boolean {
    if (kindOf(this.#root + path) !== "link") return false;
    return dirname(readlinkSync(this.#root + path)) !== this.#inside;
  }

  #file(name: UnitName): string {
    return join(this.#root + this.#inside, name);
  }
}

function kindOf(path: string): "none" | "link" | "file" | "other" {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "none";
  if (found.isSymbolicLink()) return "link";
  return found.isFile() ? "file" : "other";
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
