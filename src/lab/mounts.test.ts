import assert from "node:assert/strict";
import { test } from "node:test";
import { fileSystemAt, mountsBelow, parseMounts } from "./mounts.ts";

// Lines in the format of proc(5), /proc/pid/mountinfo.
const text = String.raw`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
60 22 0:41 / /var/lib/argosy/lab/a/m1/root rw,relatime - overlay argosy rw,lowerdir=/cache/product:/cache/rootfs,upperdir=/u,workdir=/w
61 60 0:42 / /var/lib/argosy/lab/a/m1/root/odd\040name rw - tmpfs tmpfs rw
62 22 0:43 / /var/lib/argosy/lab/ab rw - tmpfs tmpfs rw
`;

test("an overlay's layers are read topmost first, and blanks in paths", () => {
  const mounts = parseMounts(text);
  assert.deepEqual(mounts[1], {
    path: "/var/lib/argosy/lab/a/m1/root",
    fileSystem: "overlay",
    lower: ["/cache/product", "/cache/rootfs"],
  });
  assert.equal(mounts[2]?.path, "/var/lib/argosy/lab/a/m1/root/odd name");
  assert.deepEqual(mounts[0], { path: "/", fileSystem: "ext4", lower: [] });
  assert.equal(mounts.length, 4);
});

test("mounts below a folder come innermost first and do not include its neighbours", () => {
  assert.deepEqual(mountsBelow(parseMounts(text), "/var/lib/argosy/lab/a"), [
    "/var/lib/argosy/lab/a/m1/root/odd name",
    "/var/lib/argosy/lab/a/m1/root",
  ]);
});

test("a path lies on the innermost mount above it", () => {
  const mounts = parseMounts(text);
  assert.equal(fileSystemAt(mounts, "/var/lib/argosy/lab/a/m1/root/etc/hosts"), "overlay");
  assert.equal(fileSystemAt(mounts, "/var/lib/argosy/lab/abc"), "ext4");
  assert.equal(fileSystemAt(mounts, "/var/lib/argosy/lab/ab"), "tmpfs");
  assert.equal(fileSystemAt([], "/"), undefined);
});
