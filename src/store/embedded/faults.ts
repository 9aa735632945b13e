import { Fault, sentenceOf } from "../../lib/fault.ts";
import type { PlainFault } from "./messages.ts";

/** SQLite's result codes that mean something to us; the lowest byte is the kind, the rest says more. */
const sqlite = {
  permission: 3,
  busy: 5,
  locked: 6,
  noMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;
/** What can go wrong with a file that is as it was written; anything else, when it is opened, says that it is not. */
const outside: readonly number[] = [
  sqlite.permission,
  sqlite.busy,
  sqlite.locked,
  sqlite.noMemory,
  sqlite.readOnly,
  sqlite.ioError,
  sqlite.full,
  sqlite.cannotOpen,
];
/** SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC: what was written before may be lost without another word. */
const flushErrors = [1_034, 1_290];

/** SQLite may tell a whole statement, over many lines; this many characters of it are enough. */
const longestReason = 160;

/** What a failure of SQLite or of the file system is, when `doing` (open, write to) the store in `folder`. */
export function faultOfFile(doing: string, folder: string, error: unknown): PlainFault {
  if (error instanceof Fault) return { code: error.code, sentence: error.message, final: true };
  const cannot = `Cannot ${doing} the store in ${folder}`;
  const reason = sentenceOf(error).replace(/\s+/g, " ").slice(0, longestReason);
  const result = resultOf(error);
  const kind = result & 0xff;
  if (kind === sqlite.full || codeOf(error) === "ENOSPC") {
    return {
      code: "store-no-space",
      sentence: `${cannot}, the disk is full: make space there, and writes go on by themselves; reads go on now.`,
      final: false,
    };
  }
  const isOpening = result !== 0 && doing === "open" && !outside.includes(kind);
  if (isOpening || kind === sqlite.corrupt || kind === sqlite.notADatabase)
    return { ...damaged(doing, folder, "store.db", reason), final: true };
  if (kind === sqlite.busy) return { code: "store-in-use", sentence: inUse(folder), final: false };
  if (kind === sqlite.readOnly) {
    return {
      code: "store-unavailable",
      sentence:
        `${cannot}, ${reason}: see whether its disk is mounted read-only; if it is not, store.db is damaged, ` +
        `and a backup comes back with: ${restoreCommand(folder)}.`,
      final: true,
    };
  }
  if (kind === sqlite.cannotOpen || result === 0) {
    return {
      code: "store-unavailable",
      sentence: `${cannot}, ${reason}: see whether the folder is there and may be written.`,
      final: result === 0,
    };
  }
  return {
    code: "store-unavailable",
    sentence: `${cannot}, ${reason}: see the kernel's messages about that disk.`,
    final: kind === sqlite.ioError && flushErrors.includes(result),
  };
}

/** The file is damaged where it matters. */
export function damaged(
  doing: string,
  folder: string,
  file: string,
  how: string,
): Pick<PlainFault, "code" | "sentence"> {
  return {
    code: "store-damaged",
    sentence:
      `Cannot ${doing} the store in ${folder}, its file ${file} is damaged (${how}): ` +
      `bring a backup back with: ${restoreCommand(folder)}.`,
  };
}

export function damagedFault(folder: string, file: string, how: string): Fault {
  const { code, sentence } = damaged("open", folder, file, how);
  return new Fault(code, sentence);
}

function restoreCommand(folder: string): string {
  return `argosy store restore FILE --to embedded:${folder} --replace`;
}

function inUse(folder: string): string {
  return (
    `Cannot open the store in ${folder}, another process has it open: ` +
    "use its endpoint instead, such as http://127.0.0.1:2379, or stop it (systemctl stop etcd)."
  );
}

function resultOf(error: unknown): number {
  const has = error instanceof Error && "errcode" in error ? error.errcode : 0;
  return typeof has === "number" ? has : 0;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
