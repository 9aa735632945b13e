import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { namesIn } from "../src/lab/disk.ts";
import { expectProgram } from "../src/lab/programs.ts";
import { sumsName } from "../src/update/sums.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { type Image, imageName } from "./build.ts";
import { checkUnreleased, openFolder } from "./inputs.ts";
import type { SigningKey } from "./signing-key.ts";

export interface ReleaseRequest {
  readonly image: Image;
  /** The folder that machines fetch from; it may hold versions already. */
  readonly folder: string;
  readonly key: SigningKey;
  /** Whether the whole disk is released as well, for new machines. */
  readonly withDisk: boolean;
  /** How hard xz tries, 0 to 9; 2 unless given: more takes much longer and gains little. */
  readonly effort?: number;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Puts a version into a folder as systemd-sysupdate wants it: /usr and its hashes compressed by xz (systemd 257 writes
 * what zstd compressed as it is), the kernel, SHA256SUMS over everything, and its signature. The signature comes last;
 * until then machines see the folder as it was. Throws Faults `no-output` and `released-already`.
 */
export async function release(request: ReleaseRequest): Promise<readonly string[]> {
  const { image, folder, key, progress, signal, withDisk, effort = 2 } = request;
  await checkFolder(folder, image.version);
  const stem = `${imageName}_${image.version}`;
  const made: string[] = [];
  for (const file of [image.usr, image.verity, ...(withDisk ? [image.disk] : [])]) {
    const name = `${basename(file)}.xz`;
    progress(`Compressing ${basename(file)}`);
    const fresh = `${folder}/.new-${name}`;
    const command = 'xz --compress --stdout --threads=2 "-$3" -- "$1" > "$2"';
    await expectProgram("sh", ["-c", command, "sh", file, fresh, String(effort)], {
      signal,
      limitMs: compressLimitMs,
    });
    await rename(fresh, `${folder}/${name}`);
    made.push(name);
  }
  await copyFile(image.kernel, `${folder}/${stem}.efi`);
  await writeFile(`${folder}/${stem}.spdx.json`, await billOfMaterials(image));
  made.push(`${stem}.efi`, `${stem}.spdx.json`);
  progress("Signing");
  await signFolder(folder, key);
  return made;
}

/** Makes the folder, and looks whether it can take the version. Throws Faults `no-output` and `released-already`. */
export async function checkFolder(folder: string, version: string): Promise<void> {
  await openFolder(folder);
  const list = await readFile(`${folder}/${sumsName}`, "utf8").catch(() => undefined);
  await checkUnreleased(folder, { stem: `${imageName}_${version}`, version, list });
}

/** Compressing takes about a minute on two processors. */
const compressLimitMs = 30 * 60_000;

/** Writes SHA256SUMS over the releases in a folder, and its signature. */
export async function signFolder(folder: string, key: SigningKey): Promise<void> {
  const lines: string[] = [];
  for (const name of await namesIn(folder)) {
    if (name.startsWith(`${imageName}_`)) lines.push(`${await fileHash(`${folder}/${name}`)}  ${name}\n`);
  }
  const sums = `${folder}/SHA256SUMS`;
  await writeFile(`${sums}.new`, lines.join(""));
  await key.sign(`${sums}.new`);
  await rename(`${sums}.new`, sums);
  await rename(`${sums}.new.gpg`, `${sums}.gpg`);
}

async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}
