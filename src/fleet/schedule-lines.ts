import type { Log } from "../lib/env.ts";
import type { Change, Compare, Entry, Revision } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { parseUnitFile } from "../unit/parse.ts";
import type { Scheduled } from "./model.ts";
import { requirementsOf } from "./options.ts";
import { decodeFleetEntry } from "./records.ts";

interface Line {
  readonly scheduled: Scheduled;
  readonly revision: Revision;
}

/** One machine's schedule, decoded; each line once, when it changes. */
export class ScheduleLines {
  readonly #log: Log;
  readonly #lines = new Map<string, Line>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** What the machine has to hold. */
  all(): Scheduled[] {
    return Array.from(this.#lines.values(), ({ scheduled }) => scheduled);
  }

  /** What holds in the store while the line that this came from is as it was read; undefined when it has gone since. */
  compareOf(wanted: Scheduled): Compare | undefined {
    const found = [...this.#lines].find(([, { scheduled }]) => scheduled === wanted);
    return found && { key: found[0], modRevision: found[1].revision };
  }

  /** Takes in the whole schedule. */
  begin(entries: Iterable<readonly [string, Entry]>): void {
    for (const [, entry] of entries) this.apply([{ kind: "put", entry }]);
  }

  /**
   * Takes in changes. A line that cannot be read stays what it was, so that no unit is stopped over it; where text and hash do
   * not belong together the text counts, which is what a machine loads and hashes.
   */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === "put") this.#take(change.entry);
      else this.#lines.delete(change.key);
    }
  }

  #take(entry: Entry): void {
    const { key } = entry;
    const record = decodeFleetEntry(entry);
    if (record?.family !== "scheduled") {
      this.#log.error(`the record ${key} in the store cannot be read and is ignored`);
      return;
    }
    const { scheduled } = record;
    const hash = hashUnitText(scheduled.text);
    if (hash !== scheduled.hash)
      this.#log.error(`the record ${key} in the store has the text of ${hash}, not of ${scheduled.hash}`);
    this.#lines.set(key, { scheduled: withPartition({ ...scheduled, hash }), revision: entry.modRevision });
  }

  /** True when every line of a unit that must not outlast a partition is among these keys of the store. */
  agreesWith(keys: ReadonlySet<string>): boolean {
    return [...this.#lines].every(
      ([key, { scheduled }]) => scheduled.stopOnPartition !== true || keys.has(key),
    );
  }
}

/** A line with what its unit asks for in a partition. */
function withPartition(line: Scheduled): Scheduled {
  if (!line.text.includes("OnPartition")) return line;
  const { stopOnPartition } = requirementsOf(parseUnitFile(line.text).file, line.unit);
  return stopOnPartition === true ? { ...line, stopOnPartition } : line;
}
