import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { testLab } from "./lab-name.ts";

// What coreos-cloudinit does on a real machine, with its real useradd, when a cloud-config asks for what cannot be.

const name = testLab("bad-config");
let machine: Machine;

before(async () => {
  await labDown(name);
  const product = await builtProduct(() => {});
  const lab = await labUp({ name, machines: 1, store: { by: "embedded" }, product });
  machine = lab.machine("m1");
});
after(async () => await labDown(name));

async function shell(script: string): Promise<string> {
  const { code, stdout, stderr } = await machine.exec(["sh", "-c", script]);
  assert.equal(code, 0, `${script}: ${stderr}`);
  return stdout;
}

/** Applies a file on the machine; its exit code, and all that it said. */
async function apply(userData: string | Uint8Array): Promise<{ code: number; said: string }> {
  await writeFile(`${machine.rootDirectory}/var/lib/user_data`, userData);
  const { code, stdout, stderr } = await machine.exec([
    "coreos-cloudinit",
    "--from-file",
    "/var/lib/user_data",
  ]);
  assert.doesNotMatch(stderr, /^ {4}at /m, "no traces of the program are shown");
  return { code, said: stdout + stderr };
}

test("users are made as they are described, and one that exists gets the new password and keys", async () => {
  const users = (hash: string): string => `#cloud-config
users:
  - name: mate
    passwd: ${hash}
    gecos: First Mate
    groups: [sudo]
    shell: /bin/sh
    homedir: /srv/mate
    ssh_authorized_keys: ["ssh-ed25519 AAAA ${hash}"]
`;
  const one = "$6$salt$oneoneone";
  assert.equal((await apply(users(one))).code, 0);
  assert.match(await shell("getent passwd mate"), /:"?First Mate"?:\/srv\/mate:\/bin\/sh$/m);
  assert.match(await shell("getent shadow mate"), /^mate:\$6\$salt\$oneoneone:/);
  assert.match(await shell("id -nG mate"), /\bsudo\b/);
  assert.equal((await apply(users("$6$salt$twotwotwo"))).code, 0);
  assert.match(await shell("getent shadow mate"), /^mate:\$6\$salt\$twotwotwo:/);
  const keys = await shell(
    "cat /srv/mate/.ssh/authorized_keys; stat -c %U:%a /srv/mate/.ssh/authorized_keys",
  );
  assert.equal(keys, "ssh-ed25519 AAAA $6$salt$twotwotwo\nmate:600\n");
});

test("a user that cannot be made is told, and does not keep others from logging in", async () => {
  const { code, said } = await apply(`#cloud-config
hostname: before
ssh_authorized_keys: [ssh-ed25519 AAAA captain]
users:
  - {name: cook, groups: [no-such-group]}
write_files:
  - {path: /etc/behind, content: x}
`);
  assert.equal(code, 1);
  assert.match(said, /Failed to apply cloud-config: useradd failed .*no-such-group/);
  assert.match(await shell("cat ~core/.ssh/authorized_keys"), /captain/);
  await shell("! test -e /etc/behind && ! id cook");
});

test("a file on a read-only file system is told with its path; what stands before it is done", async () => {
  await shell("mkdir -p /mnt/fixed && mount -t tmpfs -o ro none /mnt/fixed");
  const { code, said } = await apply(`#cloud-config
ssh_authorized_keys: [ssh-ed25519 AAAA second]
write_files:
  - {path: /etc/before, content: x}
  - {path: /mnt/fixed/a, content: x}
  - {path: /etc/behind, content: x}
`);
  assert.equal(code, 1);
  assert.match(said, /Failed to apply cloud-config: Cannot write \/mnt\/fixed\/a: EROFS/);
  await shell("test -e /etc/before && ! test -e /etc/behind && grep -q second ~core/.ssh/authorized_keys");
  assert.equal(await shell("find /etc -name 'cloudinit-temp*'"), "", "nothing half written is left");
});

test("links in a user's home do not lead out of it", async () => {
  await shell("useradd --create-home rogue && mkdir -p /root/.ssh && ln -s /root/.ssh /home/rogue/.ssh");
  await apply("#cloud-config\nusers: [{name: rogue, ssh_authorized_keys: [ssh-ed25519 AAAA rogue]}]\n");
  await shell("! grep -rqs rogue /root/.ssh");
  assert.equal(await shell("stat -c %U /root/.ssh"), "root\n");
});

test("names of units that are paths are refused", async () => {
  for (const unit of ["../../../tmp/a.service", "a/b.service"]) {
    const { code, said } = await apply(`#cloud-config\ncoreos: {units: [{name: "${unit}", content: x}]}\n`);
    assert.equal(code, 1, unit);
    assert.match(said, /is no name of a unit or drop-in/);
  }
  await shell("! test -e /tmp/a.service");
});

test("what cannot be read changes nothing, is told and ends with 1", async () => {
  const levels = Array.from(
    { length: 12 },
    (_, level) =>
      `x${level + 1}: &x${level + 1} [${Array.from({ length: 10 }, () => `*x${level}`).join(", ")}]`,
  );
  const bomb = `#cloud-config\nx0: &x0 [a]\n${levels.join("\n")}\nhostname: never\n`;
  const file = "write_files: [{path: /etc/never, content: aaa";
  for (const [userData, sentence] of [
    [bomb, /more than \d+ values once its aliases are followed/],
    [`#cloud-config\nhostname: never\n${file}, encoding: rot13}]\n`, /Unsupported encoding "rot13"/],
    [`#cloud-config\nhostname: never\n${file}%, encoding: base64}]\n`, /Unable to decode base64/],
    ["#cloud-config\nhostname: never\n\tusers: []\n", /found a tab character that violate indentation/],
    [Buffer.from("#cloud-config\nhostname: never\n", "utf16le"), /Unrecognized user-data format/],
    [
      Buffer.concat([Buffer.from("#cloud-config\nhostname: never "), Buffer.of(0xff, 0x0a)]),
      /UTF-8|invalid leading/,
    ],
    [
      "Content-Type: multipart/mixed\n\n#cloud-config\nhostname: never\n",
      /MIME multipart user-data is not supported/,
    ],
  ] as const) {
    const { code, said } = await apply(userData);
    assert.equal(code, 1, said);
    assert.match(said, sentence);
  }
  await shell("! test -e /etc/never && test $(hostname) != never");
});

test("a file of 10 MB is written, and more than any machine has use for is refused", async () => {
  const line = `${"0123456789abcdef".repeat(64)}\n`;
  const content = `      ${line}`.repeat(10 * 1024);
  const { code } = await apply(
    `#cloud-config\nwrite_files:\n  - path: /etc/large\n    content: |\n${content}`,
  );
  assert.equal(code, 0);
  assert.equal(await shell("stat -c %s /etc/large"), `${line.length * 10 * 1024}\n`);
  const huge = await apply(Buffer.alloc(65 * 1024 * 1024, "#cloud-config\n"));
  assert.equal(huge.code, 1);
  assert.match(huge.said, /longer than \d+ bytes/);
});
