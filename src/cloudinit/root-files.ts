import { constants, type Stats } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { absolutePath, folderOf } from "./paths.ts";

/** Links that are followed on one path before it counts as a circle; Linux allows as many. */
const maxLinks = 40;

/**
 * The files below a root, which nothing leads out of: links are followed as they would be on the machine itself, with
 * its root in place of ours. A privileged process with a real root needs this no less, so that what is planned for a
 * root folder never touches the machine that prepares it.
 */
export class RootFiles {
  readonly #root: string;

  /** @param root an existing folder; `/` for the machine itself */
  constructor(root: string) {
    this.#root = root === "/" ? "" : root.replace(/\/+$/, "");
  }

  /** Where a path of the machine really lies. With `last`, a link at its very end is followed too. */
  async place(path: string, last: boolean): Promise<string> {
    let pending = absolutePath(path)
      .split("/")
      .filter((part) => part !== "");
    let done = "";
    let links = 0;
    while (pending.length > 0) {
      const [part = "", ...rest] = pending;
      pending = rest;
      if (part === "..") {
        done = done.replace(/\/[^/]*$/, "");
        continue;
      }
      const next = `${done}/${part}`;
      const found = await this.#look(next);
      if (found === undefined || !found.isSymbolicLink() || (rest.length === 0 && !last)) {
        done = next;
        continue;
      }
      links++;
      if (links > maxLinks)
        throw new Fault("file-unwritable", `Cannot write ${path}: its links lead in a circle.`);
      const target = await readlink(this.#root + next);
      if (target.startsWith("/")) done = "";
      pending = [...target.split("/").filter((each) => each !== "" && each !== "."), ...rest];
    }
    return this.#root + done;
  }

  /** The text of a file, or undefined when there is none. */
  async text(path: string): Promise<string | undefined> {
    try {
      return await readFile(await this.place(path, true), "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw new Fault("file-unreadable", `Cannot read ${path}: ${sentenceOf(error)}.`, { cause: error });
    }
  }

  /** The names in a folder, sorted; none when there is no such folder. */
  async names(path: string): Promise<readonly string[]> {
    try {
      return (await readdir(await this.place(path, true))).toSorted();
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return [];
      throw new Fault("file-unreadable", `Cannot read the folder ${path}: ${sentenceOf(error)}.`, {
        cause: error,
      });
    }
  }

  /**
   * Writes a file whole or not at all: beside its place first, then moved there. Missing folders are made with mode 0755.
   * @param own gives the file beside its place to its owner, before anybody can see it under its name
   */
  async write(
    path: string,
    content: Uint8Array,
    mode: number,
    own?: (beside: string) => Promise<void>,
  ): Promise<void> {
    const besideName = `cloudinit-temp${Math.floor(Math.random() * 1e9)}`;
    try {
      const folder = await this.#folder(folderOf(path));
      const target = `${folder}/${path.slice(path.lastIndexOf("/") + 1)}`;
      const beside = `${folder}/${besideName}`;
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      try {
        const file = await open(beside, flags, 0o600);
        try {
          await file.writeFile(content);
          await file.sync();
        } finally {
          await file.close();
        }
        await chmod(beside, mode);
        await own?.(beside);
        await rename(beside, target);
      } catch (error) {
        await rm(beside, { force: true });
        throw error;
      }
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault("file-unwritable", `Cannot write ${path}: ${sentenceOf(error)}.`, { cause: error });
    }
  }

  /** Puts a link to /dev/null in the place of a file. */
  async mask(path: string): Promise<void> {
    try {
      const target = `${await this.#folder(folderOf(path))}/${path.slice(path.lastIndexOf("/") + 1)}`;
      await rm(target, { force: true });
      await symlink("/dev/null", target);
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault("file-unwritable", `Cannot link ${path} to /dev/null: ${sentenceOf(error)}.`, {
        cause: error,
      });
    }
  }

  /** Takes an empty file or a link to /dev/null away; false when there is something else, which stays. */
  async unmask(path: string): Promise<boolean> {
    const target = await this.place(path, false);
    try {
      const found = await lstat(target);
      const none = found.isSymbolicLink()
        ? (await readlink(target)) === "/dev/null"
        : found.isFile() && found.size === 0;
      if (none) await rm(target);
      return none;
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return true;
      throw new Fault("file-unwritable", `Cannot remove ${path}: ${sentenceOf(error)}.`, { cause: error });
    }
  }

  /** The real folder, made where it is missing. */
  async #folder(path: string): Promise<string> {
    const folder = await this.place(path, true);
    await mkdir(folder, { recursive: true, mode: 0o755 });
    return folder;
  }

  async #look(path: string): Promise<Stats | undefined> {
    try {
      return await lstat(this.#root + path);
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
