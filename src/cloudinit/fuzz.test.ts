import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, symlink, writeFile, mkdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { carryOut, type Machine } from "./carry-out.ts";
import { checkUserData } from "./check.ts";
import { planUserData } from "./plan.ts";
import { RootFiles } from "./root-files.ts";
import { validateUserData } from "./validate.ts";

const seeds = ["discovery.yml", "etcd2-static.yml", "one-machine.yml"];
const pieces = [
  "../../../outside",
  "/link/up/file",
  "*a",
  "&a [*a]",
  "\t",
  "{",
  "]",
  "!!binary x",
  "- ",
  ": ",
  "~",
  "|",
  "0x1f",
  "\u0000",
  "\\",
  "path: ../../outside\n",
];

/** Numbers that look drawn by lot and are the same at every run. */
function lots(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function mutated(text: string, draw: (below: number) => number): string {
  let result = text;
  for (let count = 1 + draw(4); count > 0; count--) {
    const at = draw(result.length + 1);
    const piece = pieces[draw(pieces.length)] ?? "";
    result = result.slice(0, at) + (draw(3) === 0 ? "" : piece) + result.slice(at + draw(6));
  }
  return result;
}

test("a thousand broken cloud-configs neither crash anything nor write outside of the root", async () => {
  const folder = await mkdtemp(`${tmpdir()}/argosy-cloudinit-`);
  try {
    const root = `${folder}/root`;
    await mkdir(`${root}/link`, { recursive: true });
    await symlink("../../../../..", `${root}/link/up`);
    await writeFile(`${folder}/outside`, "untouched");
    const machine = machineIn(root);
    const examples = new URL("../../examples/cloud-config/", import.meta.url);
    const texts = await Promise.all(
      seeds.map(async (name) => await readFile(new URL(name, examples), "utf8")),
    );
    let written = 0;
    for (let round = 0; round < 1000; round++) {
      const text = mutated(texts[round % texts.length] ?? "", lots(round + 1));
      validateUserData(Buffer.from(text));
      checkUserData(Buffer.from(text));
      const facts = {
        users: new Set(["core"]),
        files: { "/etc/coreos/update.conf": "" },
        sshKeyName: "coreos-cloudinit",
      };
      const { actions } = planUserData({ text, metadata: {}, variables: {}, facts, workspace: "/var/lib/w" });
      await carryOut(actions, machine, { note: () => {}, error: () => {} });
      written += actions.filter(({ kind }) => kind === "write-file").length;
    }
    assert.ok(written > 100, "the mutations leave something to write");
    assert.deepEqual((await readdir(folder)).toSorted(), ["outside", "root"]);
    assert.equal(await readFile(`${folder}/outside`, "utf8"), "untouched");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("links lead to where they would on the machine, never out of the root", async () => {
  const folder = await mkdtemp(`${tmpdir()}/argosy-cloudinit-`);
  try {
    const root = `${folder}/root`;
    await mkdir(root);
    await symlink("/var", `${root}/absolute`);
    await symlink("../../..", `${root}/up`);
    const files = new RootFiles(root);
    await files.write("/absolute/a", Buffer.from("a"), 0o644);
    await files.write("/up/b", Buffer.from("b"), 0o644);
    assert.equal(await readFile(`${root}/var/a`, "utf8"), "a");
    assert.equal(await readFile(`${root}/b`, "utf8"), "b");
    assert.deepEqual(await readdir(folder), ["root"]);
    await symlink("circle", `${root}/circle`);
    await assert.rejects(files.write("/circle/a", Buffer.from(""), 0o644), /lead in a circle/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("SSH keys are installed although something before them failed", async () => {
  const installed: string[] = [];
  const machine: Machine = {
    ...machineIn("/nonexistent"),
    run: async () => {
      throw new Error("no hostnamectl");
    },
    authorizeKeys: async (user) => void installed.push(user),
  };
  const text = "#cloud-config\nhostname: a\nssh_authorized_keys: [k]\nwrite_files: [{path: /a}]\n";
  const facts = { users: new Set<string>(), files: {}, sshKeyName: "x" };
  const { actions } = planUserData({ text, metadata: {}, variables: {}, facts, workspace: "/w" });
  assert.equal(await carryOut(actions, machine, { note: () => {}, error: () => {} }), "no hostnamectl");
  assert.deepEqual(installed, ["core"]);
});

function machineIn(root: string): Machine {
  const files = new RootFiles(root);
  const nothing = async (): Promise<void> => {};
  return {
    writeFile: async (path, content, mode) => await files.write(path, content, mode),
    mask: async (path) => await files.mask(path),
    unmask: async (path) => await files.unmask(path),
    run: nothing,
    authorizeKeys: nothing,
    fetchText: async () => "[]",
    hostname: async () => "machine",
    enable: nothing,
    reload: nothing,
    job: async () => undefined,
    linksDown: nothing,
    script: nothing,
  };
}
