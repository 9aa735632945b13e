import { mkdir, stat } from "node:fs/promises";
import { buildImage, type Image } from "../../image/build.ts";
import { makeSigningKey, type SigningKey, signingKey } from "../../image/signing-key.ts";
import { namesIn, removeFolder } from "../../src/lab/disk.ts";
import { imageCache } from "../../image/tools-tree.ts";

/** Where the machines of these tests keep their disks: a real disk with some gigabytes free. */
export const machinesFolder = "/var/lib/argosy/qemu";

/** Removes the disks of runs that were killed: their folders carry the number of a process that is gone. */
async function removeAbandoned(): Promise<void> {
  for (const name of await namesIn(machinesFolder)) {
    const [, owner] = /^[a-z]+-(\d+)(-|$)/.exec(name) ?? [];
    if (owner === undefined || (await stat(`/proc/${owner}`).catch(() => undefined)) !== undefined) continue;
    await removeFolder(`${machinesFolder}/${name}`);
  }
}

/** The key that all images of tests trust; it is made once, so that images are found again. */
export async function testKey(): Promise<SigningKey> {
  const file = `${imageCache}/test-key.gpg`;
  await mkdir(imageCache, { recursive: true });
  if ((await stat(file).catch(() => undefined)) === undefined) await makeSigningKey(file, "Argosy tests");
  return await signingKey(file);
}

/** Builds a version of the image from this checkout, or finds it. */
export async function testImage(
  version: string,
  { overlay }: { readonly overlay?: string } = {},
): Promise<Image> {
  await removeAbandoned();
  await using key = await testKey();
  return await buildImage({
    version,
    keyring: key.keyring,
    ...(overlay === undefined ? {} : { overlay }),
    progress: (line) => console.log(line),
    signal: new AbortController().signal,
  });
}
