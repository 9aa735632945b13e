import { access, constants, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { namesIn } from "../src/lab/disk.ts";
import { Fault, sentenceOf } from "../src/lib/fault.ts";
import { readConfig } from "../src/update/config.ts";
import { filesOf, parseSums } from "../src/update/sums.ts";

/** What a command was given besides the version. Wrong ones are told before a build that takes minutes. */
export interface ImageInputs {
  /** Where the machines look for updates; `disabled` when not given. */
  readonly server?: string;
  /** Packages of Debian's besides those that every image has. */
  readonly packages?: readonly string[];
  /** A folder that is laid over the image's files, for images of one's own and for tests. */
  readonly overlay?: string;
}

/** Throws Fault `bad-version` for what cannot be an image's version (systemd's version format, without a plus). */
export function checkVersion(version: string): void {
  if (/^[0-9][0-9A-Za-z.~^-]{0,62}$/.test(version)) return;
  throw new Fault(
    "bad-version",
    `cannot build version "${version}": a version begins with a digit and has digits, letters, dots, dashes, ~ and ^ after it, such as 1.4.0`,
  );
}

/** Throws Faults `bad-server`, `bad-package` and `no-overlay`. */
export async function checkInputs({ server, packages = [], overlay }: ImageInputs): Promise<void> {
  if (server !== undefined && (/\s/.test(server) || readConfig([`SERVER=${server}`]).problems.length > 0))
    throw new Fault(
      "bad-server",
      `--server "${server}" is no place for updates; give http://updates.example:8088/v1/update/, folder:URL, or disabled`,
    );
  for (const name of packages) {
    // Debian policy 5.6.1.
    if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name))
      throw new Fault("bad-package", `--package "${name}" is no name of a Debian package, such as podman`);
  }
  if (overlay !== undefined && (await stat(overlay).catch(() => undefined))?.isDirectory() !== true)
    throw new Fault("no-overlay", `--with ${overlay} is no folder; make it, with usr or etc in it`);
}

/** Makes a folder for what is built. Throws Fault `no-output`. */
export async function openFolder(folder: string): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (error) {
    throw new Fault("no-output", `cannot write to ${folder}: ${sentenceOf(error)}; give another --out`, {
      cause: error,
    });
  }
}

/** One folder after the other: Node's own way never ends where the system says that a folder cannot be, as below /proc. */
async function makeFolder(folder: string): Promise<void> {
  if ((await stat(folder).catch(() => undefined))?.isDirectory() === true) return;
  const above = dirname(folder);
  if (above !== folder) await makeFolder(above);
  await mkdir(folder);
}

/**
 * Whether a folder can take a version. @param stem name and version, as files begin
 * @param list the text of the folder's SHA256SUMS; undefined without one
 * Throws Fault `released-already`.
 */
export async function checkUnreleased(
  folder: string,
  {
    stem,
    version,
    list,
  }: { readonly stem: string; readonly version: string; readonly list: string | undefined },
): Promise<void> {
  const listed = filesOf(parseSums(list ?? "") ?? [], version);
  if (listed.some(({ name }) => name.startsWith(`${stem}.`)))
    throw new Fault(
      "released-already",
      `${folder} has a version ${version} already, and machines may run it; release a higher version, or into another folder`,
    );
  // Version 1.4 has nothing to do with 1.4.0, whose names begin alike.
  const left = (await namesIn(folder)).filter(
    (name) =>
      name.startsWith(stem) && /^\.(?:usr|usr-verity|raw|efi|spdx)\./.test(`${name.slice(stem.length)}.`),
  );
  if (left.length > 0)
    throw new Fault(
      "released-already",
      `${folder} has ${left[0]}, which its SHA256SUMS does not name; if a release broke off there, remove ${stem}.* and try again, else take another folder`,
    );
}
