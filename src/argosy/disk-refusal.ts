/** What is known of the place an image shall be written to. */
export interface DiskFacts {
  readonly path: string;
  readonly kind: "disk" | "partition" | "file" | "absent" | "other";
  /** Bytes it has; 0 for a file, which grows. */
  readonly size: number;
  /** Where it, or a part of it, is mounted or used as swap or by another device such as RAID or LVM. */
  readonly uses: readonly string[];
  /** Whether there is anything but zeros at its beginning. */
  readonly hasContent: boolean;
  readonly readOnly: boolean;
  /** Whether it is the image's own file. */
  readonly isImage: boolean;
  /** Why the system does not let us write there; empty when it does. */
  readonly obstacle: string;
}

/**
 * Why an image must not be written there, as a sentence; undefined when it may.
 * @param imageBytes the size of the image when it is unpacked
 */
export function diskRefusal(
  facts: DiskFacts,
  { imageBytes, overwrite }: { readonly imageBytes: number; readonly overwrite: boolean },
): string | undefined {
  const { path, kind, size, uses, hasContent, readOnly, isImage, obstacle } = facts;
  if (kind === "other")
    return `${path} is neither a disk nor a file; name a disk such as /dev/sdb, or a file`;
  if (kind === "absent" && path.startsWith("/dev/"))
    return `there is no disk ${path}; lsblk shows those there are`;
  if (isImage) return `${path} is the image itself; name another file, or a disk`;
  if (kind === "partition")
    return `${path} is a partition, and the image is a whole disk with partitions of its own; name the disk`;
  if (readOnly) return `${path} can only be read; remove its write protection`;
  if (uses.length > 0)
    return `${path} is in use: ${uses.join(", ")}; unmount it, or name the disk that you mean`;
  if (obstacle !== "")
    return `${path} cannot be written to (${obstacle}); ${kind === "disk" ? "disks are written as root" : "name a file in a folder that is there and that you may write to"}`;
  if (kind === "disk" && size < leastDiskBytes)
    return `${path} has ${gibibytes(size)} GiB, and a machine needs ${gibibytes(leastDiskBytes)}: two slots for versions, the loader, and what it keeps itself`;
  if (kind === "disk" && size < imageBytes) return `${path} has ${size} bytes, and the image ${imageBytes}`;
  if (hasContent && !overwrite)
    return `${path} is not empty, and everything on it would be lost; if that is meant, say --overwrite`;
  return undefined;
}

/** The loader's 256 MiB, two slots of 656 MiB, 512 MiB of state: what the image's own partition table asks for. */
export const leastDiskBytes = 2.25 * 1024 ** 3;

function gibibytes(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(2);
}
