import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { checkInputs, checkVersion, openFolder } from "./inputs.ts";
import { checkFolder } from "./release.ts";

let folder: string;

before(async () => {
  folder = await mkdtemp(`${tmpdir()}/argosy-inputs-`);
  await writeFile(`${folder}/file`, "");
});
after(async () => await rm(folder, { recursive: true, force: true }));

test("what can be a version is built, and nothing else", () => {
  for (const good of ["1", "1.4.0", "20261122", "2~rc1", "1.4.0-dev", "1^3"]) checkVersion(good);
  for (const bad of ["", "abc", "v1", "1_2", "1/2", "1 2", "1+2", "-1", `1${"0".repeat(63)}`])
    assert.throws(() => checkVersion(bad), { code: "bad-version" }, bad);
});

test("wrong servers, packages and folders are told before anything is built", async () => {
  await checkInputs({ server: "disabled", packages: ["podman", "g++"], overlay: folder });
  await checkInputs({ server: "http://updates.example:8088/v1/update/" });
  await checkInputs({ server: "folder:http://updates.example/stable/" });
  for (const server of ["updates.example", "ftp://updates.example/", "http://a/\nGROUP=other", "http://a b/"])
    await assert.rejects(checkInputs({ server }), { code: "bad-server" }, server);
  for (const name of ["", "-y", "Podman", "pod man", "podman;reboot"])
    await assert.rejects(checkInputs({ packages: [name] }), { code: "bad-package" }, name);
  for (const overlay of [`${folder}/none`, `${folder}/file`])
    await assert.rejects(checkInputs({ overlay }), { code: "no-overlay" }, overlay);
});

test("a folder that cannot be made is told with its name", async () => {
  for (const wrong of [`${folder}/file/below`, "/proc/none/below"])
    await assert.rejects(openFolder(wrong), {
      code: "no-output",
      message: new RegExp(`cannot write to ${wrong}: `),
    });
  await openFolder(`${folder}/one/two`);
  await openFolder(`${folder}/one/two`);
});

test("a version that a folder has is not released into it again, and one whose name begins alike is", async () => {
  const out = `${folder}/releases`;
  await checkFolder(out, "1.4");
  const name = "argosy_1.4.0.efi";
  await writeFile(`${out}/${name}`, "kernel");
  await assert.rejects(checkFolder(out, "1.4.0"), { code: "released-already", message: /broke off/ });
  await writeFile(`${out}/SHA256SUMS`, `${"ab".repeat(32)}  ${name}\n`);
  await assert.rejects(checkFolder(out, "1.4.0"), { code: "released-already", message: /may run it/ });
  await checkFolder(out, "1.4");
  await checkFolder(out, "1.4.1");
});
