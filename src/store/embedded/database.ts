import {
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  statSync,
  truncateSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Fault } from "../../lib/fault.ts";
import type { Entry } from "../store.ts";
import {
  emptyTally,
  entryChecksum,
  leaseChecksum,
  replaceInTally,
  stateChecksum,
  type Tally,
} from "./checksums.ts";
import { damagedFault } from "./faults.ts";
import type { GroupRows, LeaseRow, StoreFacts, StoreNames } from "./messages.ts";
import { judgeLog } from "./write-ahead-log.ts";

/** Marks the file as ours ("argo"), and the layout of its tables. */
const applicationId = 0x6172676f;
const layoutVersion = 1;
/** Bytes of a page. */
const pageBytes = 4_096;
/** SQLite's page cache, in KiB. */
const cacheKiB = 8_192;
/** Entries are handed over in pieces of this many when the file is read. */
const entriesAtOnce = 2_000;

// The first table's page is the lowest that a commit writes, besides that of the file's header: the judge of the log counts on it.
const tables = `
  CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), cluster TEXT NOT NULL, member TEXT NOT NULL,
    revision INTEGER NOT NULL, rows INTEGER NOT NULL, sum INTEGER NOT NULL, checksum INTEGER NOT NULL);
  CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, created INTEGER NOT NULL,
    modified INTEGER NOT NULL, lease TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE leases (id TEXT PRIMARY KEY, ttl INTEGER NOT NULL, deadline INTEGER NOT NULL,
    checksum INTEGER NOT NULL) WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${layoutVersion};
`;

type Row = readonly (string | number)[];

/**
 * The file of an embedded store: entries, leases and one row that counts them, each with a checksum. Everything waits for
 * the disk, so it lives in a worker. Errors of SQLite come out as they are; Fault `store-damaged` when what is read is not
 * what was written.
 */
export class Database {
  readonly #folder: string;
  readonly #lock: DatabaseSync;
  readonly #file: DatabaseSync;
  readonly #names: StoreNames;
  readonly #entryChecksum: StatementSync;
  readonly #putEntry: StatementSync;
  readonly #deleteEntry: StatementSync;
  readonly #leaseChecksum: StatementSync;
  readonly #putLease: StatementSync;
  readonly #deleteLease: StatementSync;
  readonly #putState: StatementSync;
  #tally: Tally = emptyTally;

  /** Opens the file in a folder, or makes both; only one process may have it open. */
  constructor(folder: string, newNames: StoreNames) {
    this.#folder = folder;
    makeFolder(folder);
    this.#lock = lockFolder(folder);
    try {
      refuseDamagedLog(folder);
      const file = new DatabaseSync(join(folder, "store.db"), { timeout: 0 });
      this.#file = file;
      prepare(file, folder, newNames);
      this.#names = readNames(file, folder);
      this.#entryChecksum = asArrays(file.prepare("SELECT checksum FROM entries WHERE key = ?"));
      this.#putEntry = file.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)");
      this.#deleteEntry = file.prepare("DELETE FROM entries WHERE key = ?");
      this.#leaseChecksum = asArrays(file.prepare("SELECT checksum FROM leases WHERE id = ?"));
      this.#putLease = file.prepare("INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)");
      this.#deleteLease = file.prepare("DELETE FROM leases WHERE id = ?");
      this.#putState = file.prepare("UPDATE state SET revision = ?, rows = ?, sum = ?, checksum = ?");
    } catch (error) {
      this.#lock.close();
      throw error;
    }
  }

  /** Reads and checks everything; entries come in key order, in pieces. */
  load(take: (entries: readonly Entry[]) => void): StoreFacts {
    const { revision, tally: expected } = this.#readState();
    let tally = emptyTally;
    let piece: Entry[] = [];
    for (const row of rowsOf(this.#file, "SELECT * FROM entries ORDER BY key")) {
      const entry = entryOf(row);
      const checksum = entryChecksum(entry);
      if (checksum !== row[5]) throw this.#damaged(`the row of key ${entry.key}`);
      tally = replaceInTally(tally, undefined, checksum);
      if (piece.push(entry) < entriesAtOnce) continue;
      take(piece);
      piece = [];
    }
    take(piece);
    const leases: [string, LeaseRow][] = [];
    for (const row of rowsOf(this.#file, "SELECT * FROM leases")) {
      const [id, ttlMs, deadlineMs] = [String(row[0]), Number(row[1]), Number(row[2])];
      const checksum = leaseChecksum(id, { ttlMs, deadlineMs });
      if (checksum !== row[3]) throw this.#damaged(`the row of lease ${id}`);
      tally = replaceInTally(tally, undefined, checksum);
      leases.push([id, { ttlMs, deadlineMs }]);
    }
    if (tally.count !== expected.count || tally.sum !== expected.sum)
      throw this.#damaged(`${tally.count} rows where ${expected.count} were written`);
    this.#tally = tally;
    return { names: this.#names, revision, leases };
  }

  /** Makes a group durable: when this returns it survives a loss of power; when it throws, nothing of it was written. */
  write({ revision, entries, leases }: GroupRows): void {
    let tally = this.#tally;
    const { logBytes } = this;
    this.#file.exec("BEGIN IMMEDIATE");
    try {
      for (const [key, entry] of entries) {
        const fresh = entry === undefined ? undefined : entryChecksum(entry);
        tally = replaceInTally(tally, checksumIn(this.#entryChecksum, key), fresh);
        if (entry === undefined || fresh === undefined) this.#deleteEntry.run(key);
        else {
          const { value, createRevision, modRevision, lease = "" } = entry;
          this.#putEntry.run(key, value, createRevision, modRevision, lease, fresh);
        }
      }
      for (const [id, lease] of leases) {
        const fresh = lease === undefined ? undefined : leaseChecksum(id, lease);
        tally = replaceInTally(tally, checksumIn(this.#leaseChecksum, id), fresh);
        if (lease === undefined || fresh === undefined) this.#deleteLease.run(id);
        else this.#putLease.run(id, lease.ttlMs, lease.deadlineMs, fresh);
      }
      const checksum = stateChecksum(this.#names, revision, tally);
      this.#putState.run(revision, tally.count, tally.sum, checksum);
      this.#file.exec("COMMIT");
    } catch (error) {
      // SQLite ends the transaction by itself after some errors.
      if (this.#file.isTransaction) this.#file.exec("ROLLBACK");
      // What is left of it in the log is nobody's; it takes space, and could be mistaken for damage after a crash.
      truncateSync(logOf(this.#folder), logBytes);
      throw error;
    }
    this.#tally = tally;
  }

  /** Bytes in the write-ahead log. */
  get logBytes(): number {
    return sizeOf(logOf(this.#folder));
  }

  /** Copies the log into the file, and empties it. */
  checkpoint(): void {
    this.#file.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    this.#file.close();
    this.#lock.close();
  }

  #readState(): { revision: number; tally: Tally } {
    const [row] = rowsOf(this.#file, "SELECT revision, rows, sum, checksum FROM state");
    if (row === undefined) throw this.#damaged("the row of the store's state is gone");
    const [revision, count, sum] = [Number(row[0]), Number(row[1]), Number(row[2])];
    if (stateChecksum(this.#names, revision, { count, sum }) !== row[3])
      throw this.#damaged("the row of the store's state");
    return { revision, tally: { count, sum } };
  }

  #damaged(how: string): Fault {
    return damagedFault(this.#folder, "store.db", how);
  }
}

/**
 * Makes the folder and those above it, and flushes their names, so that a file that was promised is found again. One at
 * a time: Node's own recursive making tries for ever where nothing can be made, as in /proc.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
  const parent = openSync(dirname(folder), "r");
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/**
 * Holds a lock that ends with this process, however it ends: SQLite's own, on an empty file beside the store's, because
 * the log has to be judged before the store's file is opened.
 */
function lockFolder(folder: string): DatabaseSync {
  const lock = new DatabaseSync(join(folder, "store.lock"), { timeout: 0 });
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    throw error;
  }
  return lock;
}

function refuseDamagedLog(folder: string): void {
  const log = logOf(folder);
  const bytes = sizeOf(log);
  if (bytes === 0) return;
  if (sizeOf(join(folder, "store.db")) === 0)
    throw damagedFault(folder, "store.db", "it is gone, and its log store.db-wal is not");
  const verdict = judgeLog(readFileSync(log), pageBytes);
  if (verdict.verdict === "damaged")
    throw damagedFault(folder, "store.db-wal", `at byte ${verdict.offset}, with commits behind it`);
}

function prepare(file: DatabaseSync, folder: string, names: StoreNames): void {
  // Exclusive: no shared memory file. No spill: a commit's pages are written together, in ascending order.
  file.exec(`
    PRAGMA page_size = ${pageBytes};
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA cache_size = -${cacheKiB};
    PRAGMA cache_spill = OFF;
    PRAGMA cell_size_check = ON;
  `);
  const [[id, version, pages] = []] = rowsOf(
    file,
    "SELECT application_id, user_version, page_count FROM pragma_application_id, pragma_user_version, pragma_page_count",
  );
  if (id === 0 && Number(pages) <= 1) {
    file.exec("BEGIN IMMEDIATE");
    file.exec(tables);
    file
      .prepare("INSERT INTO state VALUES (1, ?, ?, 1, 0, 0, ?)")
      .run(names.clusterId, names.memberId, stateChecksum(names, 1, emptyTally));
    file.exec("COMMIT");
  } else if (id !== applicationId) {
    throw damagedFault(folder, "store.db", "it is not a store of Argosy");
  } else if (version !== layoutVersion) {
    throw new Fault(
      "store-layout",
      `Cannot open the store in ${folder}, its layout is ${version} and this release knows ${layoutVersion}: use a newer release.`,
    );
  }
}

function readNames(file: DatabaseSync, folder: string): StoreNames {
  const [row] = rowsOf(file, "SELECT cluster, member FROM state");
  if (row === undefined) throw damagedFault(folder, "store.db", "the row of the store's state is gone");
  return { clusterId: String(row[0]), memberId: String(row[1]) };
}

function entryOf([key, value, created, modified, lease]: Row): Entry {
  return {
    key: String(key),
    value: String(value),
    createRevision: Number(created),
    modRevision: Number(modified),
    ...(lease === "" ? {} : { lease: String(lease) }),
  };
}

function rowsOf(file: DatabaseSync, query: string): Iterable<Row> {
  return asArrays(file.prepare(query)).iterate() as Iterable<unknown> as Iterable<Row>;
}

function checksumIn(statement: StatementSync, key: string): number | undefined {
  const row = statement.get(key) as unknown as Row | undefined;
  return row === undefined ? undefined : Number(row[0]);
}

function asArrays(statement: StatementSync): StatementSync {
  statement.setReturnArrays(true);
  return statement;
}

function logOf(folder: string): string {
  return join(folder, "store.db-wal");
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
