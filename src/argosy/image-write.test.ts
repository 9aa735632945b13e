import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { expectProgram } from "../lab/programs.ts";
import { imageCommand } from "./image-write.ts";

let folder: string;
const disk = Buffer.alloc(3 * 1024 * 1024, 7);
disk.write("EFI PART", 512, "latin1");

before(async () => {
  folder = await mkdtemp(`${tmpdir()}/argosy-image-write-`);
  await writeFile(`${folder}/disk.raw`, disk);
  await expectProgram("xz", ["-1", "--keep", `${folder}/disk.raw`]);
});
after(async () => await rm(folder, { recursive: true, force: true }));

async function write(...words: readonly string[]): Promise<{ code: number; said: string }> {
  const faked = fakeSurroundings({});
  const code = await runProgram({ ...imageCommand, name: "image" }, ["write", ...words], faked);
  return { code, said: `${faked.stdout.text()}${faked.stderr.text()}` };
}

test("a disk's image, packed or not, gets into a file byte by byte", async () => {
  for (const image of ["disk.raw", "disk.raw.xz"]) {
    const target = `${folder}/${image}.written`;
    assert.deepEqual(await write(`${folder}/${image}`, target), {
      code: 0,
      said: `wrote ${image} onto ${target}: 3 MiB\n`,
    });
    assert.ok((await readFile(target)).equals(disk));
  }
});

test("with --dry-run nothing is written", async () => {
  const { code, said } = await write(`${folder}/disk.raw`, `${folder}/never`, "--dry-run");
  assert.equal(code, 0);
  assert.match(said, /^would write disk\.raw onto /);
  await assert.rejects(readFile(`${folder}/never`), { code: "ENOENT" });
});

test("a file that is not empty stays as it is, unless it may be lost", async () => {
  const target = `${folder}/precious`;
  await writeFile(target, "mine");
  const refused = await write(`${folder}/disk.raw`, target);
  assert.equal(refused.code, 1);
  assert.match(refused.said, /nothing was written: .*precious is not empty/);
  assert.equal(await readFile(target, "utf8"), "mine");
  assert.equal((await write(`${folder}/disk.raw`, target, "--overwrite")).code, 0);
});

test("what is no image of a disk is told so, and so is an image that ends too early", async () => {
  await writeFile(`${folder}/letter.raw`, "Dear disk");
  assert.match((await write(`${folder}/letter.raw`, `${folder}/a`)).said, /is no image of a whole disk/);
  const packed = await readFile(`${folder}/disk.raw.xz`);
  await writeFile(`${folder}/cut.raw.xz`, packed.subarray(0, 200));
  assert.match((await write(`${folder}/cut.raw.xz`, `${folder}/b`)).said, /holds only a part of the image/);
});
