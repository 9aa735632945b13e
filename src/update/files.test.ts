import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  blessedName,
  condemnedName,
  counted,
  entryOf,
  loaderChoice,
  parseTransfer,
  redirected,
  startedName,
  stateOf,
} from "./boot-entries.ts";
import { readConfig } from "./config.ts";
import { filesOf, newestIn, parseSums, versionsIn } from "./sums.ts";

const hash = "a".repeat(64);
const patterns = ["argosy_@v+@l-@d.efi", "argosy_@v+@l.efi", "argosy_@v.efi"];

test("update.conf: the first file that has a key wins, quotes and blanks are dropped", () => {
  const { config, problems } = readConfig([
    'GROUP="beta"\n# SERVER=http://comment/\nMACHINE_ALIAS = first \n',
    "GROUP=stable\nSERVER=http://updates.example.com/v1/update/\nREBOOT_STRATEGY=etcd-lock\nDOWNLOAD_USER=u\nDOWNLOAD_PASSWORD=p=q\n",
    "COREOS_RELEASE_VERSION=3033.2.0\nCOREOS_RELEASE_APPID={E96281A6-D1AF-4BDE-9A0A-97B76E56DC57}\nCOREOS_RELEASE_BOARD=amd64-usr\n",
  ]);
  assert.deepEqual(problems, []);
  assert.deepEqual(config, {
    group: "beta",
    server: { kind: "omaha", url: "http://updates.example.com/v1/update/" },
    timed: true,
    rebootStrategy: "etcd-lock",
    machineAlias: "first",
    credentials: "u:p=q",
    appId: "e96281a6-d1af-4bde-9a0a-97b76e56dc57",
    board: "amd64-usr",
    releaseVersion: "3033.2.0",
  });
});

const servers: readonly (readonly [string, unknown, boolean])[] = [
  ["", undefined, false],
  ["disabled", undefined, false],
  ["https://a/v1/update", { kind: "omaha", url: "https://a/v1/update" }, false],
  ["folder:http://a/stable", { kind: "folder", url: "http://a/stable/" }, false],
  ["folder:/srv", undefined, true],
  ["ftp://a/", undefined, true],
  ["nonsense", undefined, true],
];

for (const [value, source, isProblem] of servers) {
  test(`SERVER=${value}`, () => {
    const { config, problems } = readConfig([`SERVER=${value}\n`, "SERVER=http://other/\n"]);
    assert.deepEqual(
      [config.server, config.timed, problems.length > 0],
      [source, source !== undefined, isProblem],
    );
  });
}

test("a list names versions by the file that makes one bootable, and each file belongs to one of them", () => {
  const names = [
    "argosy_2.efi",
    "argosy_2.usr.0123.raw.xz",
    "argosy_2_verity.raw",
    "argosy_2.1.efi",
    "argosy_2.1.usr.raw.xz",
    "argosy_x.efi",
    "readme",
  ];
  const sums = parseSums(names.map((name) => `${hash}  ${name}\n`).join("")) ?? assert.fail("no list");
  assert.deepEqual(versionsIn(sums), ["2", "2.1"]);
  assert.equal(newestIn(sums), "2.1");
  assert.deepEqual(
    filesOf(sums, "2").map(({ name }) => name),
    ["argosy_2.efi", "argosy_2.usr.0123.raw.xz", "argosy_2_verity.raw"],
  );
  assert.deepEqual(
    filesOf(sums, "2.1").map(({ name }) => name),
    ["argosy_2.1.efi", "argosy_2.1.usr.raw.xz"],
  );
  assert.deepEqual(filesOf(sums, "3"), []);
});

test("what is no list of sha256sum, or leads out of its folder, is none", () => {
  for (const bad of [
    `${hash}  ../etc/passwd`,
    `${hash}  a/b`,
    `${hash} a`,
    "abc  a",
    `${hash}  ..`,
    "<html>",
  ])
    assert.equal(parseSums(bad), undefined, bad);
  assert.deepEqual(parseSums(`${hash.toUpperCase()} *a\r\n\n`), [{ name: "a", sha256: hash }]);
});

const names: readonly (readonly [string, string | undefined, string | undefined])[] = [
  ["argosy_2+3-0.efi", "2", "untried"],
  ["argosy_2+3.efi", "2", "untried"],
  ["argosy_2+2-1.efi", "2", "trying"],
  ["argosy_2+0-3.efi", "2", "bad"],
  ["argosy_2.efi", "2", "good"],
  ["argosy_1.2~rc1+1-2.efi", "1.2~rc1", "trying"],
  ["argosy_3033.2.0+nightly.efi", "3033.2.0+nightly", "good"],
  ["other_2.efi", undefined, undefined],
  ["argosy_2.conf", undefined, undefined],
];

for (const [file, version, state] of names) {
  test(`the boot entry ${file} is ${version ?? "none of ours"}`, () => {
    const entry = entryOf(patterns, file);
    assert.deepEqual([entry?.version, entry === undefined ? undefined : stateOf(entry)], [version, state]);
  });
}

test("entries are counted as systemd-boot counts them", () => {
  const entry = entryOf(patterns, "argosy_2+3-0.efi") ?? assert.fail("no entry");
  assert.equal(startedName(entry), "argosy_2+2-1.efi");
  assert.equal(blessedName(entry), "argosy_2.efi");
  assert.equal(condemnedName(entry), "argosy_2+0-1.efi");
  assert.equal(counted(entryOf(patterns, "argosy_2.efi") ?? entry, 0, 1), "argosy_2+0-1.efi");
  const all = ["argosy_1.efi", "argosy_3+0-3.efi", "argosy_2+1-2.efi"].flatMap(
    (file) => entryOf(patterns, file) ?? [],
  );
  assert.equal(loaderChoice(all)?.version, "2");
});

test("any entry keeps its version and its pattern whatever is done to its name", () => {
  const version = fc.stringMatching(/^[0-9][0-9a-z.~^-]{0,8}$/);
  fc.assert(
    fc.property(version, fc.nat(9), fc.nat(9), (each, left, done) => {
      const entry = entryOf(patterns, `argosy_${each}+${left}-${done}.efi`) ?? assert.fail("no entry");
      for (const name of [startedName(entry), blessedName(entry), condemnedName(entry)])
        assert.equal(entryOf(patterns, name)?.version, each, name);
      assert.equal(stateOf(entryOf(patterns, condemnedName(entry)) ?? entry), "bad");
      assert.equal(stateOf(entryOf(patterns, blessedName(entry)) ?? entry), "good");
    }),
  );
});

test("transfer files fetch from where the release is, and change in nothing else", () => {
  const text =
    "[Transfer]\nProtectVersion=%A\n\n[Source]\nType=url-file\nPath=http://old/\nMatchPattern=a_@v.efi\n\n[Target]\nType=regular-file\nPath=/EFI/Linux\n";
  assert.equal(redirected(text, "http://new/%41/"), text.replace("http://old/", "http://new/%%41/"));
  const local = text.replace("url-file", "regular-file");
  assert.equal(redirected(local, "http://new/"), local);
  assert.equal(parseTransfer(text).target["Path"], "/EFI/Linux");
});
