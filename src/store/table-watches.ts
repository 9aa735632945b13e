import { Wake } from "../lib/wake.ts";
import { contains } from "./range.ts";
import type { Change, ChangeBatch, KeyRange, Revision } from "./store.ts";
import { keyOf, type Table } from "./table.ts";

interface Watcher {
  readonly range: KeyRange;
  readonly wake: Wake;
  /** The last revision seen, while there may be more to send; undefined when everything was sent. */
  after: Revision | undefined;
}

/** The watches of a table. They see only what was announced to them, whatever else the table holds already. */
export class TableWatches {
  readonly #table: Table;
  readonly #watchers = new Set<Watcher>();
  #announced: Revision;

  constructor(table: Table) {
    this.#table = table;
    this.#announced = table.revision;
  }

  /** `Store.watch`; ends with the reason of `ended`. */
  async *open(
    range: KeyRange,
    after: Revision,
    ended: AbortSignal,
  ): AsyncGenerator<ChangeBatch, void, undefined> {
    const watcher: Watcher = { range, wake: new Wake(), after };
    this.#watchers.add(watcher);
    try {
      for (;;) {
        ended.throwIfAborted();
        const batch = this.#nextBatch(watcher);
        if (batch === undefined) await watcher.wake.next(ended);
        else yield batch;
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  /** Lets watches see everything up to `revision`; `changes` are all that are new since the last call. */
  announce(changes: readonly Change[], revision: Revision): void {
    const before = this.#announced;
    this.#announced = revision;
    if (changes.length === 0) return;
    for (const watcher of this.#watchers) {
      if (!changes.some((change) => contains(watcher.range, keyOf(change)))) continue;
      watcher.after ??= before;
      watcher.wake.wake();
    }
  }

  /** What this watcher has to see next. A watcher that saw everything has no place in history to lose by compaction. */
  #nextBatch(watcher: Watcher): ChangeBatch | undefined {
    if (watcher.after === undefined) return undefined;
    const batch = this.#table.firstChangeAfter(watcher.range, watcher.after, this.#announced);
    if (batch !== undefined) watcher.after = batch.revision;
    // A watch from the future stays where it is: what comes before it is not for it.
    else if (watcher.after <= this.#announced) watcher.after = undefined;
    return batch;
  }
}
