import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
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

test("what is no image of a disk is told so before anything is written", async () => {
  await writeFile(`${folder}/letter.raw`, "Dear disk");
  await writeFile(`${folder}/letter.xz`, "Dear disk");
  const packed = await readFile(`${folder}/disk.raw.xz`);
  await writeFile(`${folder}/cut.raw.xz`, packed.subarray(0, 200));
  await writeFile(`${folder}/packed-letter`, "Dear disk".repeat(1000));
  await expectProgram("xz", ["-1", `${folder}/packed-letter`]);
  for (const [image, said] of [
    ["letter.raw", /is no image of a whole disk/],
    ["letter.xz", /is no whole xz file/],
    ["cut.raw.xz", /is no whole xz file/],
    ["packed-letter.xz", /holds no image of a whole disk/],
    ["none.raw", /cannot read the image/],
    ["", /is no file/],
  ] as const) {
    const told = await write(`${folder}/${image}`, `${folder}/untouched`);
    assert.equal(told.code, 1, image);
    assert.match(told.said, said);
  }
  await assert.rejects(readFile(`${folder}/untouched`), { code: "ENOENT" });
});

test("an image is not written over itself, nor where nothing can be written", async () => {
  const self = await write(`${folder}/disk.raw`, `${folder}/disk.raw`, "--overwrite");
  assert.match(self.said, /nothing was written: .* is the image itself/);
  await symlink("disk.raw", `${folder}/link.raw`);
  assert.equal((await write(`${folder}/link.raw`, `${folder}/disk.raw`, "--overwrite")).code, 1);
  assert.ok((await readFile(`${folder}/disk.raw`)).equals(disk));
  const nowhere = await write(`${folder}/disk.raw`, `${folder}/none/disk`, "--dry-run");
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.said, /nothing was written: .* cannot be written to/);
});

test("an image that turns out to be damaged is told, with what that leaves", async () => {
  const noise = randomBytes(1024 * 1024);
  await writeFile(`${folder}/damaged.raw`, Buffer.concat([disk, noise]));
  await expectProgram("xz", ["-1", `${folder}/damaged.raw`]);
  const packed = await readFile(`${folder}/damaged.raw.xz`);
  packed.fill(0, packed.length - 2000, packed.length - 1000);
  await writeFile(`${folder}/damaged.raw.xz`, packed);
  const { code, said } = await write(`${folder}/damaged.raw.xz`, `${folder}/part`);
  assert.equal(code, 1);
  assert.match(said, /holds only a part of the image/);
});
