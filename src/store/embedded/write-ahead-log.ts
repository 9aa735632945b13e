/**
 * SQLite's write-ahead log, read before SQLite does. SQLite takes the log up to the first frame that does not fit and
 * silently drops the rest: right after a crash, when that is the end of a write nobody was promised; but when a frame in
 * the middle is damaged, everything after it was promised, and has to be refused rather than forgotten.
 * The format is SQLite's: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */

const headerBytes = 32;
const frameHeaderBytes = 24;
/** The two magic numbers; the lowest bit tells the byte order of the checksums. */
const magic = 0x377f0682;

/** What a log holds: `whole` up to its last commit, however it ends after that, or `damaged` before a commit that counts. */
export type LogVerdict =
  | { readonly verdict: "whole"; readonly frames: number }
  | { readonly verdict: "damaged"; readonly offset: number };

interface Checksum {
  readonly first: number;
  readonly second: number;
}

interface Frame {
  readonly page: number;
  readonly commits: boolean;
}

/** Reads a whole log of a database with pages of this size. */
export function judgeLog(log: Buffer, pageBytes: number): LogVerdict {
  if (log.length <= headerBytes) return { verdict: "whole", frames: 0 };
  const bigEndian = log.readUInt32BE(0) === magic + 1;
  const reader = new LogReader(log, pageBytes, bigEndian);
  if (!reader.headerFits) return judgeWithoutHeader(log, pageBytes);
  let frames = 0;
  let sum = reader.headerChecksum;
  for (let index = 0; index < reader.frameCount; index++) {
    if (!reader.fits(index, sum)) {
      return reader.beginsAnotherCommit(index)
        ? { verdict: "damaged", offset: reader.offsetOf(index) }
        : { verdict: "whole", frames };
    }
    sum = reader.storedChecksum(index);
    if (reader.frame(index).commits) frames = index + 1;
  }
  return { verdict: "whole", frames };
}

/** The header is flushed before the first frame is written: when a frame is whole, the header was so once. */
function judgeWithoutHeader(log: Buffer, pageBytes: number): LogVerdict {
  for (const bigEndian of [false, true]) {
    const reader = new LogReader(log, pageBytes, bigEndian);
    for (let index = 1; index < reader.frameCount; index++) {
      if (reader.fitsBefore(index)) return { verdict: "damaged", offset: 0 };
    }
  }
  return { verdict: "whole", frames: 0 };
}

class LogReader {
  readonly headerChecksum: Checksum;
  readonly headerFits: boolean;
  readonly frameCount: number;
  readonly #log: Buffer;
  readonly #pageBytes: number;
  readonly #bigEndian: boolean;

  constructor(log: Buffer, pageBytes: number, bigEndian: boolean) {
    this.#log = log;
    this.#pageBytes = pageBytes;
    this.#bigEndian = bigEndian;
    this.headerChecksum = { first: log.readUInt32BE(24), second: log.readUInt32BE(28) };
    const isLog =
      log.readUInt32BE(0) === (bigEndian ? magic + 1 : magic) && log.readUInt32BE(8) === pageBytes;
    this.headerFits = isLog && same(this.#checksum(0, 24, { first: 0, second: 0 }), this.headerChecksum);
    this.frameCount = Math.floor((log.length - headerBytes) / (frameHeaderBytes + pageBytes));
  }

  offsetOf(index: number): number {
    return headerBytes + index * (frameHeaderBytes + this.#pageBytes);
  }

  frame(index: number): Frame {
    const offset = this.offsetOf(index);
    return { page: this.#log.readUInt32BE(offset), commits: this.#log.readUInt32BE(offset + 4) !== 0 };
  }

  storedChecksum(index: number): Checksum {
    const offset = this.offsetOf(index) + 16;
    return { first: this.#log.readUInt32BE(offset), second: this.#log.readUInt32BE(offset + 4) };
  }

  /** Whether a frame belongs to this log and is what was written after a frame with checksum `before`. */
  fits(index: number, before: Checksum): boolean {
    return this.#hasSaltsAt(index, 16) && this.#isWhole(index, before);
  }

  /** Whether a frame is what was written after the one before it, in whichever log both belong to. */
  fitsBefore(index: number): boolean {
    const before = index - 1;
    return (
      this.#hasSaltsAt(index, this.offsetOf(before) + 8) && this.#isWhole(index, this.storedChecksum(before))
    );
  }

  /**
   * Whether another commit was begun behind the one that holds the bad frame: it was begun when that one had been flushed,
   * and promised. A commit writes its pages in ascending order, beginning with one of the first two, and at least two of
   * them; so a page that is not above the last one begins another.
   */
  beginsAnotherCommit(bad: number): boolean {
    let last: Frame | undefined = bad > 0 ? this.frame(bad - 1) : undefined;
    if (last?.commits === true) last = undefined;
    for (let index = bad + 1; index < this.frameCount; index++) {
      if (!this.#isCredible(index)) continue;
      const frame = this.frame(index);
      if (last !== undefined && (last.commits || frame.page <= last.page)) return true;
      last = frame;
    }
    return false;
  }

  /** Whether the frame's header can be believed: it follows from the one before it, or the next follows from it. */
  #isCredible(index: number): boolean {
    if (this.frame(index).page === 0) return false;
    if (this.fits(index, this.storedChecksum(index - 1))) return true;
    const next = index + 1;
    return (
      this.#hasSaltsAt(index, 16) && next < this.frameCount && this.fits(next, this.storedChecksum(index))
    );
  }

  #hasSaltsAt(index: number, offset: number): boolean {
    return this.#log.readBigUInt64BE(this.offsetOf(index) + 8) === this.#log.readBigUInt64BE(offset);
  }

  #isWhole(index: number, before: Checksum): boolean {
    const offset = this.offsetOf(index);
    const head = this.#checksum(offset, 8, before);
    const whole = this.#checksum(offset + frameHeaderBytes, this.#pageBytes, head);
    return same(whole, this.storedChecksum(index));
  }

  /** SQLite's running checksum over an even number of 32-bit words. */
  #checksum(offset: number, length: number, { first, second }: Checksum): Checksum {
    const log = this.#log;
    for (let at = offset; at < offset + length; at += 8) {
      const one = this.#bigEndian ? log.readUInt32BE(at) : log.readUInt32LE(at);
      const two = this.#bigEndian ? log.readUInt32BE(at + 4) : log.readUInt32LE(at + 4);
      first = (first + one + second) >>> 0;
      second = (second + two + first) >>> 0;
    }
    return { first, second };
  }
}

function same(one: Checksum, other: Checksum): boolean {
  return one.first === other.first && one.second === other.second;
}
