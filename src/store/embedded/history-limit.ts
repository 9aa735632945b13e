import type { Revision } from "../store.ts";

/** History kept for watches and reads of the past: at least this many revisions, unless they are larger than the next. */
const keepRevisions = 5_000;
/** The size of history that is kept, in UTF-16 units. */
const keepSize = 16 * 1024 * 1024;

/** Decides how much history a store in memory keeps: a number of revisions, and no more than a size. */
export class HistoryLimit {
  /** Groups of revisions in the history, oldest first. */
  #groups: { readonly revision: Revision; readonly size: number }[] = [];
  #size = 0;

  /**
   * Takes note of a group that ended with `revision`, of this size in UTF-16 units. Tells from where on the history is to be kept
   * when it has grown to twice its limit: in large steps, so that it is not copied for every revision.
   */
  add(revision: Revision, size: number, historyLength: number): Revision | undefined {
    this.#groups.push({ revision, size });
    this.#size += size;
    const tooLong = historyLength > 2 * keepRevisions;
    if (!tooLong && this.#size <= 2 * keepSize) return undefined;
    let oldest = tooLong ? revision - keepRevisions : 0;
    let dropped = 0;
    for (const group of this.#groups) {
      if (this.#size <= keepSize && group.revision > oldest) break;
      this.#size -= group.size;
      oldest = Math.max(oldest, group.revision);
      dropped += 1;
    }
    this.#groups = this.#groups.slice(dropped);
    return oldest;
  }
}
