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
}

/**
 * Why an image must not be written there, as a sentence; undefined when it may.
 * @param imageBytes the size of the image; undefined where it is not known before it is unpacked
 */
export function diskRefusal(
  facts: DiskFacts,
  { imageBytes, overwrite }: { readonly imageBytes: number | undefined; readonly overwrite: boolean },
): string | undefined {
  const { path, kind, size, uses, hasContent, readOnly } = facts;
  if (kind === "other")
    return `${path} is neither a disk nor a file; name a disk such as /dev/sdb, or a file`;
  if (kind === "absent" && path.startsWith("/dev/"))
    return `there is no disk ${path}; lsblk shows those there are`;
  if (kind === "partition")
    return `${path} is a partition, and the image is a whole disk with partitions of its own; name the disk`;
  if (readOnly) return `${path} can only be read; remove its write protection`;
  if (uses.length > 0)
    return `${path} is in use: ${uses.join(", ")}; unmount it, or name the disk that you mean`;
  if (kind === "disk" && size < leastDiskBytes)
    return `${path} has ${gibibytes(size)} GiB, and a machine needs ${gibibytes(leastDiskBytes)}: two slots for versions, the loader, and what it keeps itself`;
  if (kind === "disk" && imageBytes !== undefined && size < imageBytes)
    return `${path} has ${size} bytes, and the image ${imageBytes}`;
  if (hasContent && !overwrite)
    return `${path} is not empty, and everything on it would be lost; if that is meant, say --overwrite`;
  return undefined;
}

/** The loader's 256 MiB, two slots of 656 MiB, 512 MiB of state: what the image's own partition table asks for. */
export const leastDiskBytes = 2.25 * 1024 ** 3;

function gibibytes(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(2);
}
