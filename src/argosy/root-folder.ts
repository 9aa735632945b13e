import { createReadStream } from "node:fs";
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  open,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** Bytes at the beginning of a file that tell whose it is. */
const headBytes = 512;

/**
 * A root file system that is being changed. Paths are absolute within it. Every change happens only where needed, is
 * one line in the log, and is atomic: a temporary file beside its place, then a rename.
 */
export class RootFolder {
  /** Without a slash at its end, except for `/` itself. */
  readonly folder: string;
  readonly #log: (line: string) => void;
  readonly #dryRun: boolean;
  #changed = false;

  private constructor(folder: string, log: (line: string) => void, dryRun: boolean) {
    this.folder = folder;
    this.#log = log;
    this.#dryRun = dryRun;
  }

  /** Throws Fault `no-root-folder` when there is no such folder. */
  static async open(
    root: string,
    { log, dryRun }: { readonly log: (line: string) => void; readonly dryRun: boolean },
  ): Promise<RootFolder> {
    const folder = resolve(root);
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return new RootFolder(folder, log, dryRun);
    throw new Fault("no-root-folder", `cannot install into ${folder}: there is no such folder`);
  }

  /** Whether anything was changed, or would have been. */
  get changed(): boolean {
    return this.#changed;
  }

  /** The path outside of the root file system. */
  path(inside: string): string {
    return this.folder === "/" ? inside : this.folder + inside;
  }

  /** Whether there is a file, or a link whose target is nobody's business here. */
  async exists(inside: string): Promise<boolean> {
    return (await this.#stat(inside)) !== undefined;
  }

  /** The beginning of a file as text; undefined when there is none. */
  async head(inside: string): Promise<string | undefined> {
    const found = await this.#stat(inside);
    if (found === undefined) return undefined;
    if (!found.isFile()) return "";
    await using file = await open(this.path(inside), "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.toString("latin1", 0, bytesRead);
  }

  /** The text of a file; undefined when there is none. */
  async text(inside: string): Promise<string | undefined> {
    const found = await this.#stat(inside);
    return found?.isFile() ? await readFile(this.path(inside), "utf8") : undefined;
  }

  /** Where a link points to; undefined when there is no link. */
  async linkTarget(inside: string): Promise<string | undefined> {
    return await readlink(this.path(inside)).catch(() => undefined);
  }

  async write(inside: string, text: string, mode: number): Promise<void> {
    const found = await this.#stat(inside);
    if (found?.isFile() && (found.mode & 0o777) === mode) {
      if ((await readFile(this.path(inside), "utf8")) === text) return;
    }
    await this.#replace(
      inside,
      found ? "replace" : "write",
      (fresh) => writeFile(fresh, text, { mode }),
      mode,
    );
  }

  async copy(source: string, inside: string, mode: number): Promise<void> {
    const found = await this.#stat(inside);
    if (found?.isFile() && (found.mode & 0o777) === mode && (await sameBytes(source, this.path(inside))))
      return;
    await this.#replace(inside, found ? "replace" : "write", (fresh) => copyFile(source, fresh), mode);
  }

  async link(inside: string, target: string): Promise<void> {
    if ((await this.linkTarget(inside)) === target) return;
    await this.#replace(inside, "link", (fresh) => symlink(target, fresh));
  }

  /** Has something done to the root file system that is more than a file of ours, such as making a group. */
  async perform({ name, past, work }: RootDeed): Promise<void> {
    this.#changed = true;
    const where = this.folder === "/" ? "" : ` in ${this.folder}`;
    this.#log(`${this.#dryRun ? `would ${name}` : past}${where}`);
    if (!this.#dryRun) await work();
  }

  async remove(inside: string): Promise<void> {
    this.#say("remove", inside);
    if (!this.#dryRun) await rm(this.path(inside), { force: true });
  }

  async #stat(inside: string) {
    return await lstat(this.path(inside)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
      throw cannotInstall(this.path(inside), error);
    });
  }

  async #replace(
    inside: string,
    deed: Deed,
    make: (fresh: string) => Promise<void>,
    mode?: number,
  ): Promise<void> {
    this.#say(deed, inside);
    if (this.#dryRun) return;
    const path = this.path(inside);
    const fresh = `${dirname(path)}/.argosy-new-${process.pid}`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await rm(fresh, { force: true });
      await make(fresh);
      if (mode !== undefined) await chmod(fresh, mode);
      await rename(fresh, path);
    } catch (error) {
      await rm(fresh, { force: true }).catch(() => {});
      throw cannotInstall(path, error);
    }
  }

  #say(deed: Deed, inside: string): void {
    this.#changed = true;
    this.#log(`${this.#dryRun ? `would ${deed}` : done[deed]} ${this.path(inside)}`);
  }
}

/** Something that is done to a root file system, with its name as an order and as it is told afterwards. */
export interface RootDeed {
  readonly name: string;
  readonly past: string;
  readonly work: () => Promise<void>;
}

/** What can happen to a path, and how it is told afterwards. */
const done = { write: "wrote", replace: "replaced", link: "linked", remove: "removed" } as const;
type Deed = keyof typeof done;

function cannotInstall(path: string, error: unknown): Fault {
  return new Fault("cannot-install", `cannot install ${path}: ${sentenceOf(error)}`, { cause: error });
}

/** Compares two files piece by piece; Node alone is 100 MB. */
async function sameBytes(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([stat(one), stat(other)]);
  if (first.size !== second.size) return false;
  if (first.ino === second.ino && first.dev === second.dev) return true;
  const others = createReadStream(other, { highWaterMark: pieceBytes });
  const pieces = others[Symbol.asyncIterator]();
  for await (const piece of createReadStream(one, { highWaterMark: pieceBytes })) {
    const next = await pieces.next();
    if (next.done || !(piece as Buffer).equals(next.value as Buffer)) {
      others.destroy();
      return false;
    }
  }
  return true;
}

const pieceBytes = 1024 * 1024;
