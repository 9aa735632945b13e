import type { Log } from "../lib/env.ts";
import type { Change, Entry } from "../store/store.ts";
import { parseUnitFile } from "../unit/parse.ts";
import type { Scheduled } from "./model.ts";
import { requirementsOf } from "./options.ts";
import { decodeFleetEntry } from "./records.ts";

/** One machine's schedule, decoded; each line once, when it changes. */
export class ScheduleLines {
  readonly #log: Log;
  readonly #lines = new Map<string, Scheduled>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** What the machine has to hold. */
  all(): Scheduled[] {
    return [...this.#lines.values()];
  }

  /** Takes in the whole schedule. */
  begin(entries: Iterable<readonly [string, Entry]>): void {
    for (const [, entry] of entries) this.apply([{ kind: "put", entry }]);
  }

  /** Takes in changes; a line that cannot be read counts as gone. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const key = change.kind === "put" ? change.entry.key : change.key;
      const record = change.kind === "put" ? decodeFleetEntry(change.entry) : undefined;
      if (record?.family === "scheduled") this.#lines.set(key, withPartition(record.scheduled));
      else this.#lines.delete(key);
      if (change.kind === "put" && record === undefined)
        this.#log.error(`the record ${key} in the store cannot be read and is ignored`);
    }
  }

  /** True when every line of a unit that must not outlast a partition is among these keys of the store. */
  agreesWith(keys: ReadonlySet<string>): boolean {
    return [...this.#lines].every(([key, line]) => line.stopOnPartition !== true || keys.has(key));
  }
}

/** A line with what its unit asks for in a partition. */
function withPartition(line: Scheduled): Scheduled {
  if (!line.text.includes("OnPartition")) return line;
  const { stopOnPartition } = requirementsOf(parseUnitFile(line.text).file, line.unit);
  return stopOnPartition === true ? { ...line, stopOnPartition } : line;
}
