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

/** Reads a whole log. */
export function judgeLog(log: Buffer): LogVerdict {
  if (log.length <= headerBytes) return { verdict: "whole", frames: 0 };
  const reader = new LogReader(log);
  if (!reader.headerFits) {
    // The header is flushed before the first frame is written: frames behind a broken one were whole once.
    return reader.pageBytesAreKnown && reader.beginsAnotherCommit(0)
      ? { verdict: "damaged", offset: 0 }
      : { verdict: "whole", frames: 0 };
  }
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

class LogReader {
  readonly headerChecksum: Checksum;
  readonly headerFits: boolean;
  readonly pageBytesAreKnown: boolean;
  readonly frameCount: number;
  readonly #log: Buffer;
  readonly #pageBytes: number;
  readonly #bigEndian: boolean;
  readonly #salts: bigint;

  constructor(log: Buffer) {
    this.#log = log;
    const start = log.readUInt32BE(0);
    this.#bigEndian = start === magic + 1;
    const pageBytes = log.readUInt32BE(8);
    this.pageBytesAreKnown = pageBytes >= 512 && pageBytes <= 65_536 && (pageBytes & (pageBytes - 1)) === 0;
    this.#pageBytes = this.pageBytesAreKnown ? pageBytes : 4_096;
    this.#salts = log.readBigUInt64BE(16);
    this.headerChecksum = { first: log.readUInt32BE(24), second: log.readUInt32BE(28) };
    const known = start === magic || this.#bigEndian;
    this.headerFits = known && same(this.#checksum(0, 24, { first: 0, second: 0 }), this.headerChecksum);
    this.frameCount = Math.floor((log.length - headerBytes) / (frameHeaderBytes + this.#pageBytes));
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
    const offset = this.offsetOf(index);
    if (!this.#hasSalts(index)) return false;
    const head = this.#checksum(offset, 8, before);
    const whole = this.#checksum(offset + frameHeaderBytes, this.#pageBytes, head);
    return same(whole, this.storedChecksum(index));
  }

  /**
   * Whether another commit was begun behind the one that holds the bad frame: it was begun when that one had been flushed,
   * and promised. One commit writes its pages in ascending order, so a page that is not above the last begins another.
   */
  beginsAnotherCommit(bad: number): boolean {
    let last: Frame | undefined = this.headerFits && this.#hasSalts(bad) ? this.frame(bad) : undefined;
    for (let index = bad + 1; index < this.frameCount; index++) {
      if (!this.fits(index, this.storedChecksum(index - 1))) {
        last = undefined;
        continue;
      }
      const frame = this.frame(index);
      if (last !== undefined && (last.commits || frame.page <= last.page)) return true;
      last = frame;
    }
    return false;
  }

  #hasSalts(index: number): boolean {
    return this.#log.readBigUInt64BE(this.offsetOf(index) + 8) === this.#salts;
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
