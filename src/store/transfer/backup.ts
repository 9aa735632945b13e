import { Fault } from "../../lib/fault.ts";
import type { Entry, Revision } from "../store.ts";
import { newChecksum } from "./checksum.ts";

/** The layout of backup files that this release writes and reads. */
const layoutVersion = 1;

/** What a backup says about itself. */
export interface BackupFacts {
  /** When it was made, in ISO 8601. */
  readonly made: string;
  /** What the store was at. */
  readonly revision: Revision;
  readonly entries: number;
}

export interface Backup {
  readonly facts: BackupFacts;
  readonly entries: readonly Pick<Entry, "key" | "value">[];
}

/**
 * The lines of a backup file: JSON, one line about itself, one for each entry, and a last one with the SHA-256 of all bytes before
 * it.
 */
export function* backupLines({ facts, entries }: Backup): Generator<string, void, undefined> {
  const checksum = newChecksum();
  const line = (value: unknown): string => {
    const text = `${JSON.stringify(value)}\n`;
    checksum.add(text);
    return text;
  };
  yield line({ argosyBackup: layoutVersion, ...facts });
  for (const { key, value } of entries) yield line([key, value]);
  yield `${JSON.stringify({ entries: entries.length, sha256: checksum.hex() })}\n`;
}

/**
 * Reads a backup file that `name` stands for in messages. Throws Fault `not-a-backup`, `backup-layout` or `backup-damaged`.
 */
export function readBackup(name: string, text: string): Backup {
  const lines = text.split("\n");
  const head = objectOf(lines[0]);
  if (head?.["argosyBackup"] === undefined) {
    throw new Fault(
      "not-a-backup",
      `Cannot read ${name}, it is no backup of a store: give a file that argosy store backup wrote.`,
    );
  }
  if (head["argosyBackup"] !== layoutVersion) {
    throw new Fault(
      "backup-layout",
      `Cannot read ${name}, its layout is ${JSON.stringify(head["argosyBackup"])} and this release knows ${layoutVersion}: use a newer release.`,
    );
  }
  const end = lines.findLastIndex((line) => line !== "");
  const checksum = newChecksum();
  for (const line of lines.slice(0, end)) checksum.add(`${line}\n`);
  const last = objectOf(lines[end]);
  if (end < 1 || last?.["sha256"] !== checksum.hex()) throw damaged(name);
  const entries = lines.slice(1, end).map((line) => entryOf(name, line));
  return {
    facts: {
      made: String(head["made"]),
      revision: Number(head["revision"]),
      entries: entries.length,
    },
    entries,
  };
}

function entryOf(name: string, line: string): Pick<Entry, "key" | "value"> {
  const pair: unknown = JSON.parse(line);
  if (!Array.isArray(pair)) throw damaged(name);
  const [key, value] = pair as unknown[];
  if (typeof key !== "string" || typeof value !== "string") throw damaged(name);
  return { key, value };
}

function objectOf(line: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line ?? "");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function damaged(name: string): Fault {
  return new Fault(
    "backup-damaged",
    `Cannot read ${name}, it is damaged or was cut short (its checksum differs): take another backup.`,
  );
}
