import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { expectProgram, runProgram } from "../src/lab/programs.ts";
import { signFolder } from "./release.ts";
import { makeSigningKey, signingKey } from "./signing-key.ts";

let folder: string;

before(async () => {
  folder = await mkdtemp(`${tmpdir()}/argosy-signing-`);
  await makeSigningKey(`${folder}/key.gpg`, "Tests");
  await makeSigningKey(`${folder}/other.gpg`, "Others");
});
after(async () => await rm(folder, { recursive: true, force: true }));

test("a folder of releases is listed and signed so that gpgv knows the key, and no other's", async () => {
  await writeFile(`${folder}/argosy_1.efi`, "kernel");
  await writeFile(`${folder}/notes.txt`, "no release");
  await using key = await signingKey(`${folder}/key.gpg`);
  await using other = await signingKey(`${folder}/other.gpg`);
  await signFolder(folder, key);
  assert.match(await readFile(`${folder}/SHA256SUMS`, "utf8"), /^[0-9a-f]{64} {2}argosy_1\.efi\n$/);
  const files = [`${folder}/SHA256SUMS.gpg`, `${folder}/SHA256SUMS`];
  await expectProgram("gpgv", ["--keyring", key.keyring, ...files]);
  assert.notEqual((await runProgram("gpgv", ["--keyring", other.keyring, ...files])).code, 0);
});

test("a key that is not there, and a file that is none, are told so", async () => {
  await assert.rejects(signingKey(`nobody-${process.pid}@nowhere.example`), { code: "bad-key" });
  await writeFile(`${folder}/letter`, "Dear key");
  await assert.rejects(signingKey(`${folder}/letter`), { code: "bad-key" });
});

test("a key is never written over, and one without its secret half signs nothing", async () => {
  const whole = await readFile(`${folder}/key.gpg`);
  await assert.rejects(makeSigningKey(`${folder}/key.gpg`, "Tests"), { code: "no-key-file" });
  assert.deepEqual(await readFile(`${folder}/key.gpg`), whole);
  await assert.rejects(makeSigningKey(`${folder}/none/key.gpg`, "Tests"), { code: "no-key-file" });
  await using key = await signingKey(`${folder}/key.gpg`);
  await key.check();
  await using half = await signingKey(key.keyring);
  await assert.rejects(half.check(), { code: "bad-key" });
});
