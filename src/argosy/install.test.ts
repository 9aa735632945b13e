import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { isFault } from "../lib/fault.ts";
import { installProduct } from "./install.ts";
import { commandNames } from "./launcher.ts";
import { productFilesIn } from "./product.ts";
import { enabledUnits, systemdUnits } from "./systemd-units.ts";

const run = promisify(execFile);
const unitFolder = "/usr/local/lib/systemd/system";

let folder = "";
let root = "";
let lines: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/argosy-install-`);
  root = `${folder}/root`;
  lines = [];
  await mkdir(root);
  // Stands for Node: says how it was called.
  await writeFile(`${folder}/node`, '#!/bin/sh\nfor word; do echo "$word"; done\n', { mode: 0o755 });
  await writeFile(`${folder}/argosy.mjs`, "commands");
  await writeFile(`${folder}/fleetctl.cjs`, "fleetctl");
  await writeFile(`${folder}/fleetctl.program`, "compiled");
  await writeFile(`${folder}/etcd.mjs`, "etcd");
  await writeFile(`${folder}/fleet.mjs`, "fleet");
  await writeFile(`${folder}/locksmithd.mjs`, "locksmithd");
  await writeFile(`${folder}/daemons.mjs`, "daemons");
  await writeFile(`${folder}/store-worker.mjs`, "thread");
});

afterEach(async () => await rm(folder, { recursive: true }));

async function install(more: { enable?: boolean; dryRun?: boolean } = {}): Promise<void> {
  lines = [];
  await installProduct({
    root,
    log: (line) => lines.push(line),
    files: productFilesIn(folder),
    ...more,
  });
}

/** Every file and link below the root with its mode and content. */
async function everything(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(root, { recursive: true })).sort()) {
    const path = `${root}/${name}`;
    const state = await lstat(path);
    if (state.isSymbolicLink()) found[`/${name}`] = `-> ${await readlink(path)}`;
    else if (state.isFile())
      found[`/${name}`] = `${(state.mode & 0o777).toString(8)} ${await readFile(path, "utf8")}`;
  }
  return found;
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(root + path), { recursive: true });
  await writeFile(root + path, text);
}

test("a root folder gets the program, the commands, the units and settings files", async () => {
  await install();
  const found = await everything();
  assert.equal(found["/usr/lib/argosy/argosy.mjs"], "644 commands");
  assert.equal(found["/usr/lib/argosy/fleetctl.cjs"], "644 fleetctl");
  assert.equal(found["/usr/lib/argosy/fleetctl.program"], "644 compiled");
  assert.equal(found["/usr/lib/argosy/etcd.mjs"], "644 etcd");
  assert.equal(found["/usr/lib/argosy/fleet.mjs"], "644 fleet");
  assert.equal(found["/usr/lib/argosy/locksmithd.mjs"], "644 locksmithd");
  assert.equal(found["/usr/lib/argosy/daemons.mjs"], "644 daemons");
  assert.equal(found["/usr/lib/argosy/store-worker.mjs"], "644 thread");
  assert.match(found["/usr/lib/argosy/node"] ?? "", /^755 /);
  for (const name of commandNames) assert.match(found[`/usr/bin/${name}`] ?? "", /^755 #!\/bin\/sh\n/);
  for (const [unit, text] of Object.entries(systemdUnits)) {
    assert.equal(found[`${unitFolder}/${unit}`], `644 ${text}`);
  }
  for (const { unit, target } of enabledUnits) {
    assert.equal(found[`/etc/systemd/system/${target}.wants/${unit}`], `-> ${unitFolder}/${unit}`);
  }
  assert.match(found["/etc/fleet/fleet.conf"] ?? "", /^644 #/);
  assert.deepEqual(
    Object.keys(found).filter((path) => path.includes(".argosy-new")),
    [],
  );
});

test("a launcher calls Node with the name it has, wherever the root lies and whatever the words are", async () => {
  await install();
  const program = `${root}/usr/bin/../lib/argosy/argosy.mjs`;
  const etcdctl = await run(`${root}/usr/bin/etcdctl`, ["ls", "a b", "--", "$x"]);
  assert.deepEqual(etcdctl.stdout.trim().split("\n").slice(3), [program, "etcdctl", "ls", "a b", "--", "$x"]);
  const fleetctl = await run(`${root}/usr/bin/fleetctl`, ["list-units", "a b"]);
  assert.deepEqual(fleetctl.stdout.trim().split("\n").slice(3), [
    program.replace("argosy.mjs", "fleetctl.cjs"),
    "list-units",
    "a b",
  ]);
  const argosy = await run(`${root}/usr/bin/argosy`, ["version"]);
  assert.deepEqual(argosy.stdout.trim().split("\n").slice(1), [program, "version"]);
  const etcd = await run(`${root}/usr/bin/argosy`, ["etcd", "--data-dir", "a b"]);
  assert.deepEqual(etcd.stdout.trim().split("\n").slice(1), [
    program.replace("argosy.mjs", "etcd.mjs"),
    "etcd",
    "--data-dir",
    "a b",
  ]);
});

test("a second installation changes nothing and says so", async () => {
  await install();
  const before = await everything();
  const inode = (await lstat(`${root}/usr/lib/argosy/node`)).ino;
  await install();
  assert.deepEqual(await everything(), before);
  assert.equal((await lstat(`${root}/usr/lib/argosy/node`)).ino, inode);
  assert.equal(lines[0], `nothing to do: the product in ${root} is up to date`);
});

test("an update replaces what differs as a whole and leaves settings and disabled units alone", async () => {
  await install();
  const inode = (await lstat(`${root}/usr/lib/argosy/argosy.mjs`)).ino;
  await put("/etc/fleet/fleet.conf", 'metadata="a=b"\n');
  await rm(`${root}/etc/systemd/system/multi-user.target.wants/fleet.service`);
  await writeFile(`${folder}/argosy.mjs`, "new commands");
  await put(`${unitFolder}/fleet.socket`, "an older text");
  await install();
  const found = await everything();
  assert.equal(found["/usr/lib/argosy/argosy.mjs"], "644 new commands");
  assert.notEqual((await lstat(`${root}/usr/lib/argosy/argosy.mjs`)).ino, inode);
  assert.equal(found["/etc/fleet/fleet.conf"], '644 metadata="a=b"\n');
  assert.equal(found[`${unitFolder}/fleet.socket`], `644 ${systemdUnits["fleet.socket"]}`);
  assert.equal(found["/etc/systemd/system/multi-user.target.wants/fleet.service"], undefined);
  assert.deepEqual(
    lines.filter((line) => line.startsWith("replaced")),
    [`replaced ${root}/usr/lib/argosy/argosy.mjs`, `replaced ${root}${unitFolder}/fleet.socket`],
  );
});

test("a dry run says the same and writes nothing", async () => {
  await install({ dryRun: true });
  assert.deepEqual(await everything(), {});
  const said = lines.map((line) =>
    line.replace(/^would write /, "wrote ").replace(/^would link /, "linked "),
  );
  await install();
  assert.deepEqual(said, lines);
});

test("a root with groups gets the group of fleet's socket, once", async () => {
  await put("/etc/group", "root:x:0:\ndocker:x:501:\n");
  await install({ dryRun: true });
  assert.ok(lines.includes(`would make the group fleet in ${root}`), lines.join("\n"));
  await install();
  const found = await everything();
  assert.equal(found["/usr/lib/sysusers.d/argosy.conf"], "644 g fleet 501\n");
  assert.match(systemdUnits["fleet.socket"] ?? "", /^SocketGroup=fleet$/m);
  // Its number is a wish, and here it is taken.
  assert.match(found["/etc/group"] ?? "", /^fleet:x:(?!501:)\d+:$/m);
  assert.ok(lines.includes(`made the group fleet in ${root}`), lines.join("\n"));
  await install();
  assert.equal(lines[0], `nothing to do: the product in ${root} is up to date`);
});

test("a group that cannot be made is one sentence with the command that makes it", async () => {
  await put("/etc/group", "root:x:0:\n");
  await mkdir(`${root}/etc/.pwd.lock`);
  await assert.rejects(install(), (error) => {
    assert.ok(isFault(error, "cannot-install"));
    assert.match(
      error.message,
      /^cannot make the group fleet: .*; make it with "groupadd --root .* --system fleet" and install again$/,
    );
    return true;
  });
});

test("without enabling no unit is linked", async () => {
  await install({ enable: false });
  assert.deepEqual(
    Object.keys(await everything()).filter((path) => path.startsWith("/etc/systemd")),
    [],
  );
});

test("a command of somebody else is refused before anything is written", async () => {
  await put("/usr/bin/fleetctl", "#!/bin/sh\necho the original\n");
  const before = await everything();
  await assert.rejects(
    install(),
    (error) =>
      isFault(error, "foreign-file") &&
      error.message.includes(`${root}/usr/bin/fleetctl belongs to something`),
  );
  assert.deepEqual(await everything(), before);
});

test("Debian's own etcdctl stays", async () => {
  await put("/usr/bin/etcdctl", "\u007fELF");
  await install();
  assert.equal((await everything())["/usr/bin/etcdctl"], "644 \u007fELF");
  assert.equal(lines[0], 'kept /usr/bin/etcdctl of another package; ours is "argosy etcdctl"');
});

test("a mask of Debian's etcd service goes with the first installation, one of ours stays", async () => {
  const masks = ["etcd.service", "etcd-member.service"].map((unit) => `${root}/etc/systemd/system/${unit}`);
  await mkdir(`${root}/etc/systemd/system`, { recursive: true });
  for (const mask of masks) await symlink("/dev/null", mask);
  await install();
  const found = await everything();
  assert.equal(found["/etc/systemd/system/etcd.service"], undefined);
  assert.equal(found["/etc/systemd/system/etcd-member.service"], "-> /dev/null");
  await symlink("/dev/null", masks[0] ?? "");
  await install();
  assert.equal((await everything())["/etc/systemd/system/etcd.service"], "-> /dev/null");
});

test("missing packages are one sentence with the command that installs them", async () => {
  await put("/usr/bin/dbus-daemon", "");
  await put("/usr/bin/systemctl", "");
  await install();
  assert.equal(
    lines.at(-1),
    `still missing in ${root}: etcd-server, libatomic1; install with: apt-get install etcd-server libatomic1`,
  );
});

test("a root that is not there is one sentence", async () => {
  root = `${folder}/nowhere`;
  await assert.rejects(install(), { message: `cannot install into ${root}: there is no such folder` });
});

test("a file that cannot be written is one sentence that names it", async () => {
  await put("/usr/lib", "a file where a folder belongs");
  await assert.rejects(
    install(),
    (error) =>
      isFault(error, "cannot-install") &&
      error.message.startsWith(`cannot install ${root}/usr/lib/argosy/node: `),
  );
});
