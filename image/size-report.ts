import { open, readFile, stat } from "node:fs/promises";
import { spacedTable } from "../src/lib/table.ts";
import type { Image } from "./build.ts";

/** Parts of /usr that people ask about, each with the paths it begins with; the first that fits counts. */
const parts: readonly (readonly [string, RegExp])[] = [
  ["Node", /^usr\/lib\/argosy\/node$/],
  ["Argosy", /^usr\/lib\/argosy\/|^usr\/bin\/(argosy|fleetctl|fleetd|locksmithctl|coreos-cloudinit)$/],
  ["Docker", /^usr\/s?bin\/(docker|containerd|runc|tini)|^usr\/libexec\/docker/],
  ["etcd", /^usr\/bin\/etcd/],
  ["kernel and modules", /^usr\/lib\/modules\//],
  ["firmware", /^usr\/lib\/firmware\//],
  ["systemd and udev", /^usr\/lib\/(systemd|udev)\/|^usr\/bin\/(systemd|journalctl|networkctl|resolvectl)/],
  ["libraries", /^usr\/lib\/x86_64-linux-gnu\//],
  ["programs", /^usr\/s?bin\//],
  ["shared data", /^usr\/share\//],
  ["the rest", /./],
];

/** Bytes of the partition that hold something: what the erofs superblock says it has. */
async function fileSystemBytes(path: string): Promise<number> {
  await using file = await open(path, "r");
  // erofs: the superblock lies at 1024; the number of blocks at 36 in it, log2 of their size at 12.
  const { buffer } = await file.read(Buffer.alloc(128), 0, 128, 1024);
  if (buffer.readUInt32LE(0) !== 0xe0f5e1e2) return (await stat(path)).size;
  return buffer.readUInt32LE(36) * 2 ** buffer.readUInt8(12);
}

export interface Sizes {
  /** Bytes of the compressed /usr. */
  readonly usr: number;
  /** Bytes of the kernel with its initrd. */
  readonly kernel: number;
  /** Bytes of what is in /usr, by part, not compressed, largest first. */
  readonly parts: readonly (readonly [string, number])[];
}

export async function sizesOf(image: Image): Promise<Sizes> {
  const sums = new Map<string, number>();
  for (const line of (await readFile(`${image.folder}/files.txt`, "utf8")).split("\n")) {
    const [, bytes, path] = /^(\d+) (.+)$/.exec(line) ?? [];
    if (bytes === undefined || path === undefined) continue;
    const name = parts.find(([, pattern]) => pattern.test(path))?.[0] ?? "the rest";
    sums.set(name, (sums.get(name) ?? 0) + Number(bytes));
  }
  return {
    usr: await fileSystemBytes(image.usr),
    kernel: (await stat(image.kernel)).size,
    parts: [...sums].toSorted(([, one], [, other]) => other - one),
  };
}

/** The sizes as people read them. */
export function sizeReport(sizes: Sizes): string {
  const rows = [
    ["PART", "MiB"],
    ...sizes.parts.map(([name, bytes]) => [name, mebibytes(bytes)]),
    ["/usr, not compressed", mebibytes(sizes.parts.reduce((sum, [, bytes]) => sum + bytes, 0))],
    ["/usr as it is shipped", mebibytes(sizes.usr)],
    ["kernel with initrd", mebibytes(sizes.kernel)],
  ];
  return spacedTable(rows).join("\n");
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1);
}
