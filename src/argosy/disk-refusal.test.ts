import assert from "node:assert/strict";
import { test } from "node:test";
import { type DiskFacts, diskRefusal } from "./disk-refusal.ts";

const empty: DiskFacts = {
  path: "/dev/sdb",
  kind: "disk",
  size: 8 * 1024 ** 3,
  uses: [],
  hasContent: false,
  readOnly: false,
  isImage: false,
  obstacle: "",
};
const asked = { imageBytes: 1024 ** 3, overwrite: false };

test("an empty disk and a new file take an image", () => {
  assert.equal(diskRefusal(empty, asked), undefined);
  assert.equal(diskRefusal({ ...empty, path: "disk.raw", kind: "absent", size: 0 }, asked), undefined);
  assert.equal(diskRefusal({ ...empty, path: "disk.raw", kind: "file", size: 0 }, asked), undefined);
});

const refused: readonly (readonly [string, Partial<DiskFacts>, RegExp])[] = [
  ["a mounted disk", { uses: ["/dev/sdb1 on /home"] }, /in use: \/dev\/sdb1 on \/home/],
  ["a partition", { path: "/dev/sdb1", kind: "partition" }, /is a partition/],
  ["a disk that is too small", { size: 1024 ** 3 }, /has 1\.00 GiB, and a machine needs 2\.25/],
  ["a disk that is not there", { kind: "absent" }, /no disk \/dev\/sdb/],
  ["a disk with something on it", { hasContent: true }, /--overwrite/],
  ["a disk that cannot be written", { readOnly: true }, /only be read/],
  [
    "a disk without permission",
    { obstacle: "EACCES" },
    /cannot be written to \(EACCES\); disks are written as root/,
  ],
  ["the image itself", { kind: "file", isImage: true, hasContent: true }, /is the image itself/],
  ["a folder", { kind: "other" }, /neither a disk nor a file/],
];
for (const [what, facts, sentence] of refused) {
  test(`${what} is refused`, () => {
    assert.match(diskRefusal({ ...empty, ...facts }, asked) ?? "taken", sentence);
  });
}

test("what is in use is refused even when everything on it may be lost", () => {
  const used = { ...empty, hasContent: true, uses: ["swap"] };
  assert.match(diskRefusal(used, { ...asked, overwrite: true }) ?? "taken", /in use/);
  assert.equal(diskRefusal({ ...used, uses: [] }, { ...asked, overwrite: true }), undefined);
});
