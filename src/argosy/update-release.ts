import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { OmahaPackage } from "../update/omaha.ts";
import type { Release } from "../update/server-records.ts";
import { filesOf, parseSums, type Sum, sumsName } from "../update/sums.ts";

/**
 * Reads what a folder says about a version, and checks each of its files. The signature is for the machines to check.
 * Throws Fault `bad-release`.
 */
export async function readRelease(
  folder: string,
  version: string,
  urls: readonly string[],
): Promise<Release> {
  const list = await readFile(join(folder, sumsName)).catch((error: unknown) => {
    throw unreadable(join(folder, sumsName), error);
  });
  await stat(join(folder, `${sumsName}.gpg`)).catch(() => {
    throw new Fault(
      "bad-release",
      `${join(folder, sumsName)} is not signed: no machine would take it; sign it with gpg --detach-sign -o ${sumsName}.gpg ${sumsName}`,
    );
  });
  const sums = parseSums(list.toString("utf8"));
  if (sums === undefined)
    throw new Fault("bad-release", `${join(folder, sumsName)} is no list as sha256sum writes it`);
  const files = filesOf(sums, version);
  if (files.length === 0)
    throw new Fault(
      "bad-release",
      `${join(folder, sumsName)} has no files of version ${version}, such as NAME_${version}.efi`,
    );
  const packages: OmahaPackage[] = [];
  for (const file of files) packages.push(await checked(folder, file));
  const digest = createHash("sha256").update(list).digest("hex");
  const first: OmahaPackage = {
    name: sumsName,
    sha1: createHash("sha1").update(list).digest("base64"),
    sha256: digest,
    size: list.length,
  };
  return { version, urls, packages: [first, ...packages], digest };
}

async function checked(folder: string, { name, sha256 }: Sum): Promise<OmahaPackage> {
  const path = join(resolve(folder), name);
  const [hash, sha1] = [createHash("sha256"), createHash("sha1")];
  let size = 0;
  try {
    await pipeline(createReadStream(path), async (pieces: AsyncIterable<Buffer>) => {
      for await (const piece of pieces) {
        size += piece.length;
        hash.update(piece);
        sha1.update(piece);
      }
    });
  } catch (error) {
    throw unreadable(path, error);
  }
  if (hash.digest("hex") !== sha256)
    throw new Fault("bad-release", `${path} is not the file that ${sumsName} names; copy it again`);
  return { name, sha1: sha1.digest("base64"), sha256, size };
}

function unreadable(path: string, error: unknown): Fault {
  const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
  const sentence = isMissing
    ? `there is no ${path}; --from names the folder with ${sumsName} and the files it lists`
    : `cannot read ${path}: ${sentenceOf(error)}`;
  return new Fault("bad-release", sentence, { cause: error });
}
