import { compareVersions, isVersion, newestOf } from "./version-order.ts";

/** The name of the list of a release's files, and of its signature, beside the files (systemd-sysupdate's own names). */
export const sumsName = "SHA256SUMS";
export const signatureName = "SHA256SUMS.gpg";

/** One line of such a list. */
export interface Sum {
  readonly name: string;
  /** 64 hexadecimal digits in lower case. */
  readonly sha256: string;
}

const mostFiles = 10_000;

/** Reads a list as sha256sum writes it; undefined when a line is none of it, or names something outside of its folder. */
export function parseSums(text: string): readonly Sum[] | undefined {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length > mostFiles) return undefined;
  const sums: Sum[] = [];
  for (const line of lines) {
    const [, sha256 = "", name = ""] = /^([0-9a-fA-F]{64}) [ *]([^/\0]+)$/.exec(line.trimEnd()) ?? [];
    if (sha256 === "" || name === "." || name === "..") return undefined;
    sums.push({ name, sha256: sha256.toLowerCase() });
  }
  return sums;
}

/**
 * The versions in a list. A release is called NAME_VERSION.efi (its kernel, which is written last and makes it bootable)
 * or NAME_VERSION.img where one file is all of it.
 */
export function versionsIn(sums: readonly Sum[]): readonly string[] {
  const found = sums.flatMap(({ name }) => /^[^_]+_(.+)\.(?:efi|img)$/.exec(name)?.[1] ?? []);
  return [...new Set(found.filter(isVersion))].sort(compareVersions);
}

/** The newest version in a list. */
export function newestIn(sums: readonly Sum[]): string | undefined {
  return newestOf(versionsIn(sums));
}

/** The files of one version: NAME_VERSION, then a dot or an underscore, then anything. A file belongs to the longest version it fits. */
export function filesOf(sums: readonly Sum[], version: string): readonly Sum[] {
  const versions = versionsIn(sums).toSorted((left, right) => right.length - left.length);
  return sums.filter(({ name }) => {
    const rest = /^[^_]+_(.*)$/.exec(name)?.[1] ?? "";
    return (
      version === versions.find((each) => rest.startsWith(each) && /^[._]/.test(rest.slice(each.length)))
    );
  });
}
