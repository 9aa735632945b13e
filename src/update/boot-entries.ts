import type { SlotState } from "./slots.ts";
import { compareVersions } from "./version-order.ts";

/** A file that makes a version bootable, with the tries that its name counts (UAPI group, automatic boot assessment). */
export interface BootEntry {
  readonly file: string;
  readonly version: string;
  /** Tries that are left and that were made; undefined once the entry is blessed. */
  readonly left?: number;
  readonly done?: number;
}

/** What a transfer file of systemd-sysupdate says. */
export interface Transfer {
  readonly source: Readonly<Record<string, string>>;
  readonly target: Readonly<Record<string, string>>;
}

/** Reads a transfer file: its sections [Source] and [Target]; the last of a repeated key counts. */
export function parseTransfer(text: string): Transfer {
  const sections: Record<string, Record<string, string>> = { Source: {}, Target: {} };
  let section = "";
  for (const line of joinedLines(text)) {
    const header = /^\s*\[(.+)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const [, key, value = ""] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    const values = sections[section];
    if (key !== undefined && values !== undefined) values[key] = value;
  }
  return { source: sections["Source"] ?? {}, target: sections["Target"] ?? {} };
}

function joinedLines(text: string): readonly string[] {
  return text.replaceAll(/\\\r?\n/g, " ").split(/\r?\n/);
}

/** The text of a transfer file whose source is a folder of the web: it is fetched from this folder instead. */
export function redirected(text: string, folder: string): string {
  if (!/^url-(file|tar)$/.test(parseTransfer(text).source["Type"] ?? "")) return text;
  let section = "";
  const lines = text.split("\n").map((line) => {
    section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1] ?? section;
    // Specifiers of systemd begin with a percent sign, and addresses have such of their own.
    return section === "Source" && /^\s*Path\s*=/.test(line) ? `Path=${folder.replaceAll("%", "%%")}` : line;
  });
  return lines.join("\n");
}

/** The entry that a file's name means by one of these patterns (`NAME_@v+@l-@d.efi`), the first that fits; undefined for other files. */
export function entryOf(patterns: readonly string[], file: string): BootEntry | undefined {
  for (const pattern of patterns) {
    const { v, l, d } = expressionOf(pattern).exec(file)?.groups ?? {};
    if (v === undefined) continue;
    return {
      file,
      version: v,
      ...(l === undefined ? {} : { left: Number(l) }),
      ...(d === undefined ? {} : { done: Number(d) }),
    };
  }
  return undefined;
}

const wildcards: Readonly<Record<string, string>> = {
  "@v": "(?<v>[A-Za-z0-9][A-Za-z0-9.~^+-]*?)",
  "@l": "(?<l>[0-9]+)",
  "@d": "(?<d>[0-9]+)",
};

function expressionOf(pattern: string): RegExp {
  const pieces = pattern.split(/(@[a-z])/);
  const source = pieces.map((piece) => {
    if (/^@[a-z]$/.test(piece)) return wildcards[piece] ?? ".+?";
    return piece.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  });
  return new RegExp(`^${source.join("")}$`);
}

/** How far the loader has come with an entry. */
export function stateOf({ left, done }: BootEntry): SlotState {
  if (left === undefined) return "good";
  if (left === 0) return "bad";
  return (done ?? 0) === 0 ? "untried" : "trying";
}

/** The name of an entry that the loader takes only when there is nothing else. */
export function condemnedName(entry: BootEntry): string {
  return counted(entry, 0, Math.max(1, entry.done ?? 0));
}

/** The name of an entry that is blessed. */
export function blessedName({ file }: BootEntry): string {
  return file.replace(/\+[0-9]+(-[0-9]+)?(?=\.[^.]*$|$)/, "");
}

/** The name of an entry with these counts. */
export function counted(entry: BootEntry, left: number, done: number): string {
  const [, stem = "", suffix = ""] = /^(.*?)(\.(?:efi|conf|img))?$/.exec(blessedName(entry)) ?? [];
  return `${stem}+${left}-${done}${suffix}`;
}

/** The entry that systemd-boot takes: that of the newest version, those without tries left last. */
export function loaderChoice(entries: readonly BootEntry[]): BootEntry | undefined {
  const rank = (entry: BootEntry): number => (entry.left === 0 ? 1 : 0);
  return entries.toSorted((a, b) => rank(a) - rank(b) || compareVersions(b.version, a.version))[0];
}

/** The name that an entry has once the loader has started it. */
export function startedName(entry: BootEntry): string {
  const { left, done = 0 } = entry;
  return left === undefined || left === 0 ? entry.file : counted(entry, left - 1, done + 1);
}
