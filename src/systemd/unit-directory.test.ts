import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { hashUnitText } from "../unit/hash.ts";
import { UnitDirectory } from "./unit-directory.ts";

const inside = "/run/fleet/units";

function emptyRoot(context: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "argosy-units-"));
  context.after(() => rmSync(root, { recursive: true }));
  return root;
}

test("what is written is listed with its hash in name order, and nothing else is", (context) => {
  const root = emptyRoot(context);
  const directory = new UnitDirectory(inside, root);
  directory.write("b.service", "old");
  directory.write("b.service", "new");
  directory.write("a.timer", "");
  writeFileSync(join(root, inside, "notes.txt"), "not a unit");
  mkdirSync(join(root, inside, "folder.service"));
  assert.deepEqual(
    [...directory.hashes()],
    [
      ["a.timer", hashUnitText("")],
      ["b.service", hashUnitText("new")],
    ],
  );
  assert.equal(directory.read("b.service"), "new");
  assert.equal(directory.pathOf("b.service"), "/run/fleet/units/b.service");
  directory.remove("b.service");
  directory.remove("b.service");
  assert.equal(directory.has("b.service"), false);
  assert.equal(directory.read("b.service"), undefined);
});

test("a failed write leaves nothing behind, and an interrupted one is cleared away", (context) => {
  const root = emptyRoot(context);
  const directory = new UnitDirectory(inside, root);
  mkdirSync(join(root, inside, "blocked.service"));
  assert.throws(() => directory.write("blocked.service", "text"));
  assert.throws(() => directory.write(`${"x".repeat(260)}.service`, "text"), /ENAMETOOLONG/);
  assert.deepEqual(readdirSync(join(root, inside)), ["blocked.service"]);
  writeFileSync(join(root, inside, ".unfinished-3"), "half a");
  assert.equal(new UnitDirectory(inside, root).has("blocked.service"), false);
  assert.deepEqual(readdirSync(join(root, inside)), ["blocked.service"]);
});

test("a slash at the end of the folder's name changes nothing: its links are ours", (context) => {
  const root = emptyRoot(context);
  const directory = new UnitDirectory(`${inside}/`, root);
  directory.write("a.service", "text");
  directory.link("a.service");
  assert.equal(directory.pathOf("a.service"), `${inside}/a.service`);
  assert.equal(directory.foreignFile("a.service"), undefined);
  directory.unlink("a.service");
  assert.deepEqual(readdirSync(join(root, "run/systemd/system")), []);
});

test("a folder with units of others is refused, also by another name", (context) => {
  const root = emptyRoot(context);
  mkdirSync(join(root, "etc/systemd/system"), { recursive: true });
  symlinkSync("systemd", join(root, "etc/alias"));
  for (const folder of ["/etc/systemd/system/", "/etc/alias/system", "/run/systemd/system"])
    assert.throws(() => new UnitDirectory(folder, root), {
      code: "units-directory",
      message:
        /systemd looks for units of others in \/(etc|run)\/systemd\/system; it has to be a folder of their own/,
    });
});

test("units of others are found wherever systemd finds them, our own links are not theirs", (context) => {
  const root = emptyRoot(context);
  const directory = new UnitDirectory(inside, root);
  for (const folder of ["usr/lib/systemd/system", "etc/systemd/system", "run/systemd/system"])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "usr/lib/systemd/system/ssh.service"), "");
  symlinkSync("/dev/null", join(root, "etc/systemd/system/masked.service"));
  symlinkSync("/opt/theirs.service", join(root, "run/systemd/system/theirs.service"));
  symlinkSync(`${inside}/ours.service`, join(root, "run/systemd/system/ours.service"));
  writeFileSync(join(root, "run/systemd/system/real.service"), "");
  const found = ["ssh", "masked", "theirs", "ours", "real", "none"].map((name) =>
    directory.foreignFile(`${name}.service`),
  );
  assert.deepEqual(found, [
    "/usr/lib/systemd/system/ssh.service",
    "/etc/systemd/system/masked.service",
    "/run/systemd/system/theirs.service",
    undefined,
    "/run/systemd/system/real.service",
    undefined,
  ]);
});
