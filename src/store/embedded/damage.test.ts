import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import type { Entry } from "../store.ts";
import { Database } from "./database.ts";
import { faultOfFile } from "./faults.ts";

const folder = mkdtempSync(join(tmpdir(), "argosy-damage-"));
after(() => rmSync(folder, { recursive: true }));

const names = { clusterId: "1", memberId: "2" };
const commits = 12;

/** A store that lost its power after 12 commits, of which the file holds the first `checkpointed` and the log the rest. */
interface Wreck {
  readonly file: Buffer;
  readonly log: Buffer;
  /** Where the log ended after each commit; undefined for those it does not hold. */
  readonly ends: readonly (number | undefined)[];
}

/** What the store holds after so many commits, as lines. */
function expected(count: number): string[] {
  const lines = new Map<string, string>();
  for (let number = 1; number <= count; number++) {
    for (const [key, entry] of changesOf(number)) {
      if (entry === undefined) lines.delete(key);
      else lines.set(key, lineOf(entry));
    }
  }
  return [...lines.values()].toSorted();
}

/** Short, but different for any other value. */
function lineOf({ key, value, modRevision }: Entry): string {
  return `${key}@${modRevision}: ${value.length} with checksum ${crc32(value)}`;
}

/** Commit `number` writes a large value, one key again and again, and deletes what the one before the last wrote. */
function changesOf(number: number): [string, Entry | undefined][] {
  const entry = (key: string, value: string): [string, Entry] => [
    key,
    { key, value, createRevision: number, modRevision: number },
  ];
  return [
    entry(`/large/${number}`, `${number}`.repeat(3_000)),
    entry("/same", String(number)),
    [`/large/${number - 2}`, undefined],
  ];
}

function wreck(checkpointed: number): Wreck {
  const home = mkdtempSync(join(folder, "made-"));
  const database = new Database(home, names);
  const ends: (number | undefined)[] = [];
  for (let number = 1; number <= commits; number++) {
    database.write({ revision: number, entries: changesOf(number), leases: [] });
    if (number === checkpointed) database.checkpoint();
    ends.push(number <= checkpointed ? undefined : statSync(join(home, "store.db-wal")).size);
  }
  // The files of a store that is open are those of one whose power has just failed.
  const file = readFileSync(join(home, "store.db"));
  const log = readFileSync(join(home, "store.db-wal"));
  database.close();
  return { file, log, ends };
}

/** The lines of a store made of these files, or the code of the Fault that refuses them. */
function open(file: Buffer | undefined, log: Buffer): string[] | string {
  const home = join(folder, "opened");
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  if (file !== undefined) writeFileSync(join(home, "store.db"), file);
  writeFileSync(join(home, "store.db-wal"), log);
  let database: Database | undefined;
  try {
    const lines: string[] = [];
    database = new Database(home, names);
    database.load((entries) => {
      lines.push(...entries.map(lineOf));
    });
    return lines.toSorted();
  } catch (error) {
    const { code, sentence } = faultOfFile("open", home, error);
    assert.match(sentence, /^Cannot open the store in [^\n]*store\.db[^\n]*argosy store restore[^\n]+\.$/);
    return code;
  } finally {
    database?.close();
  }
}

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

const made = wreck(4);
const lastEnd = made.ends.at(-1) ?? 0;
const endBeforeLast = made.ends.at(-2) ?? 0;
const mask = fc.integer({ min: 1, max: 255 });

test("a store that lost its power is whole", () => {
  assert.equal(made.log.length, lastEnd);
  assert.deepEqual(open(made.file, made.log), expected(commits));
});

test("whatever stands behind the last commit is no part of the store", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 9_000 }), (garbage) => {
      assert.deepEqual(open(made.file, Buffer.concat([made.log, garbage])), expected(commits));
    }),
    { numRuns: 30 },
  );
});

test("what is left of a commit that failed is no part of the store", () => {
  const frames = made.log.subarray(32, made.ends[4]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: frames.length }), (length) => {
      const log = Buffer.concat([made.log, frames.subarray(0, length)]);
      assert.deepEqual(open(made.file, log), expected(commits));
    }),
    { numRuns: 30 },
  );
});

test("a log that was cut short ends with the last commit that is whole", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: lastEnd }), (length) => {
      const whole = made.ends.filter((end) => end === undefined || end <= length).length;
      assert.deepEqual(open(made.file, made.log.subarray(0, length)), expected(whole));
    }),
    { numRuns: 60 },
  );
});

test("damage in the last commit leaves those before it", () => {
  fc.assert(
    fc.property(fc.integer({ min: endBeforeLast, max: lastEnd - 1 }), mask, (at, bits) => {
      assert.deepEqual(open(made.file, flipped(made.log, at, bits)), expected(commits - 1));
    }),
    { numRuns: 60 },
  );
});

test("zeros where the last commit was not written leave those before it", () => {
  fc.assert(
    fc.property(fc.integer({ min: endBeforeLast, max: lastEnd - 1 }), (from) => {
      const log = Buffer.from(made.log);
      log.fill(0, from);
      fc.pre(!log.equals(made.log));
      assert.deepEqual(open(made.file, log), expected(commits - 1));
    }),
    { numRuns: 30 },
  );
});

test("damage in the log before its last commit is refused", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: endBeforeLast - 1 }), mask, (at, bits) => {
      assert.equal(open(made.file, flipped(made.log, at, bits)), "store-damaged");
    }),
    { numRuns: 300 },
  );
});

test("a lost stretch of the log before its last commit is refused", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: endBeforeLast - 4_096 }),
      fc.integer({ min: 512, max: 4_096 }),
      (from, length) => {
        const log = Buffer.from(made.log);
        log.fill(0, from, from + length);
        fc.pre(!log.equals(made.log));
        assert.equal(open(made.file, log), "store-damaged");
      },
    ),
    { numRuns: 100 },
  );
});

test("damage in the file is refused, or hits nothing that is used", () => {
  const { file, log } = wreck(commits);
  let refused = 0;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: file.length - 1 }), mask, (at, bits) => {
      const found = open(flipped(file, at, bits), log);
      if (typeof found === "string") refused += 1;
      else assert.deepEqual(found, expected(commits));
    }),
    { numRuns: 300 },
  );
  assert.ok(refused > 100, `${refused} of 300 were refused`);
});

test("a page that is an older one is refused", () => {
  const old = wreck(commits - 2).file;
  const { file, log } = wreck(commits);
  let checked = 0;
  for (let page = 4_096; page < Math.min(old.length, file.length); page += 4_096) {
    const before = old.subarray(page, page + 4_096);
    if (before.equals(file.subarray(page, page + 4_096))) continue;
    const mixed = Buffer.from(file);
    before.copy(mixed, page);
    const found = open(mixed, log);
    if (found !== "store-damaged") assert.deepEqual(found, expected(commits));
    else checked += 1;
  }
  assert.ok(checked > 0);
});

test("a log without its file is refused, and a file cut short too", () => {
  assert.equal(open(undefined, made.log), "store-damaged");
  assert.equal(open(made.file.subarray(0, 5_000), made.log.subarray(0, 0)), "store-damaged");
});

test("a file that is not ours is refused", () => {
  const home = join(folder, "strange");
  mkdirSync(home);
  writeFileSync(
    join(home, "store.db"),
    "This is not a database, and it is longer than a header of one.".repeat(40),
  );
  assert.throws(
    () => new Database(home, names),
    (error) => faultOfFile("open", home, error).code === "store-damaged",
  );
});
