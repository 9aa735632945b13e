import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { commit, put, silentEnv } from "./contract-tools.ts";
import { openMemoryStore } from "./memory.ts";
import { openMirror, type Mirror } from "./mirror.ts";
import { between, exactly, under } from "./range.ts";
import { keyOf } from "./table.ts";
import type { ChangeBatch, KeyRange, Revision, Store } from "./store.ts";

const range = under("/m/");

test("a mirror reads the range and follows it", async () => {
  const { store, mirror, heard, end } = await openPair([put("/m/b", "1"), put("/m/a", "1"), put("/n", "1")]);
  assert.deepEqual(lines(mirror), ["/m/a=1", "/m/b=1"]);
  assert.deepEqual(heard, ["fresh /m/a /m/b"]);
  assert.notEqual(mirror.syncedSinceMs, undefined);
  assert.equal(mirror.problem, undefined);
  await commit(store, [put("/n", "2")]);
  const revision = await commit(store, [put("/m/c", "1"), { do: "delete", range: exactly("/m/a") }]);
  await mirror.reached(revision, AbortSignal.timeout(60_000));
  assert.deepEqual(lines(mirror), ["/m/b=1", "/m/c=1"]);
  assert.deepEqual(
    [...mirror.entries.within(under("/m/c"))].map(([key]) => key),
    ["/m/c"],
  );
  assert.deepEqual(heard.slice(1), ["/m/c /m/a"]);
  await end();
});

test("a mirror of an empty range is ready too", async () => {
  const { mirror, heard, end } = await openPair([]);
  assert.equal(mirror.entries.size, 0);
  assert.deepEqual(heard, ["fresh "]);
  await end();
});

test("after an outage the mirror tells only the differences", async () => {
  const { store, faulty, mirror, heard, end } = await openPair([
    put("/m/changed", "1"),
    put("/m/deleted", "1"),
    put("/m/same", "1"),
  ]);
  const firstSync = mirror.syncedSinceMs;
  const lost = heardOf(mirror, () => mirror.syncedSinceMs === undefined);
  faulty.break();
  await lost;
  assert.match(mirror.problem ?? "", /the network is down/);
  assert.deepEqual(lines(mirror).length, 3, "the copy stays");
  await commit(store, [
    put("/m/changed", "2"),
    put("/m/new", "1"),
    { do: "delete", range: exactly("/m/deleted") },
  ]);
  const back = heardOf(mirror, () => mirror.syncedSinceMs !== undefined);
  faulty.heal();
  await back;
  assert.deepEqual(lines(mirror), ["/m/changed=2", "/m/new=1", "/m/same=1"]);
  assert.deepEqual(heard.slice(1), ["lost ", "fresh /m/deleted /m/changed /m/new"]);
  assert.ok(Number(mirror.syncedSinceMs) >= Number(firstSync));
  await end();
});

test("what lies beside the range is told whenever everything is read, and is not followed", async () => {
  const env = silentEnv();
  const store = openMemoryStore(env);
  await commit(store, [put("/m/a", "1"), put("/m/x/1", "1")]);
  const end = new AbortController();
  const mirror = openMirror(env, store, between("/m/", "/m/x"), end.signal, under("/m/"));
  const told: string[] = [];
  mirror.subscribe((changes, fresh, beside) => {
    const keys = changes.map((change) => (change.kind === "put" ? change.entry.key : change.key));
    told.push(`${keys.join()} ${fresh} ${beside.map(({ key, value }) => `${key}=${value}`).join()}`);
    if (mirror.entries.get("/m/b")?.value === "bad" && !fresh) mirror.readAgain();
  });
  await mirror.ready;
  await commit(store, [put("/m/x/1", "2")]);
  await mirror.reached(await commit(store, [put("/m/b", "1")]), AbortSignal.timeout(60_000));
  // The listener does not take this: it has not arrived before all is read again.
  await mirror.reached(await commit(store, [put("/m/b", "bad")]), AbortSignal.timeout(60_000));
  assert.deepEqual(told, ["/m/a true /m/x/1=1", "/m/b false ", "/m/b false ", " true /m/x/1=2"]);
  assert.deepEqual([...mirror.entries.keys()], ["/m/a", "/m/b"]);
  end.abort(new Error("the test is over"));
  await store.close();
});

test("an outage in which nothing changed is told by the times alone", async () => {
  const { faulty, mirror, heard, end } = await openPair([put("/m/a", "1")]);
  const lost = heardOf(mirror, () => mirror.syncedSinceMs === undefined);
  faulty.break();
  await lost;
  const back = heardOf(mirror, () => mirror.syncedSinceMs !== undefined);
  faulty.heal();
  await back;
  assert.deepEqual(heard.slice(1), ["lost ", "fresh "]);
  await end();
});

test("a compaction that overtakes the mirror does not break its connection", async () => {
  const { store, faulty, mirror, heard, end } = await openPair([put("/m/a", "1")]);
  const since = mirror.syncedSinceMs;
  faulty.failWatches(new Fault("store-compacted", "Cannot go back, it was compacted."));
  const revision = await commit(store, [put("/m/b", "1")]);
  await mirror.reached(revision, AbortSignal.timeout(60_000));
  assert.deepEqual(lines(mirror), ["/m/a=1", "/m/b=1"]);
  assert.equal(mirror.syncedSinceMs, since);
  assert.ok(!heard.includes("lost "));
  await end();
});

test("a listener that throws is logged, and hurts nobody else", async () => {
  const { store, mirror, heard, errors, end } = await openPair([]);
  const stop = mirror.subscribe(() => {
    throw new Error("listener out of order");
  });
  await mirror.reached(await commit(store, [put("/m/a", "1")]), AbortSignal.timeout(60_000));
  stop();
  await mirror.reached(await commit(store, [put("/m/b", "1")]), AbortSignal.timeout(60_000));
  assert.deepEqual(heard.slice(1), ["/m/a", "/m/b"]);
  assert.equal(errors.length, 1);
  await end();
});

void suite("waiting for a revision", () => {
  test("ends with the reason of its signal", async () => {
    const { mirror, end } = await openPair([]);
    const stop = new AbortController();
    const reason = new Error("no more patience");
    const waiting = assert.rejects(mirror.reached(1_000_000, stop.signal), reason);
    stop.abort(reason);
    await waiting;
    await end();
  });

  test("ends when the mirror does", async () => {
    const { mirror, end } = await openPair([]);
    const waiting = assert.rejects(
      mirror.reached(1_000_000, new AbortController().signal),
      /the test is over/,
    );
    const lost = heardOf(mirror, () => mirror.syncedSinceMs === undefined);
    await end();
    await waiting;
    await lost;
  });

  test("ready rejects when the mirror ends before the first read", async () => {
    const stop = new AbortController();
    const faulty = new FaultyStore(openMemoryStore(silentEnv()));
    faulty.break();
    const mirror = openMirror(silentEnv(), faulty, range, stop.signal);
    const reason = new Error("the test is over");
    stop.abort(reason);
    await assert.rejects(mirror.ready, reason);
    await faulty.close();
  });
});

interface Pair {
  readonly store: Store;
  readonly faulty: FaultyStore;
  readonly mirror: Mirror;
  /** One line for each call of a listener: `fresh`, `lost` or nothing, and the keys. */
  readonly heard: string[];
  readonly errors: string[];
  readonly end: () => Promise<void>;
}

async function openPair(first: Parameters<typeof commit>[1]): Promise<Pair> {
  const errors: string[] = [];
  const silent = silentEnv();
  const env: Env = { ...silent, log: { ...silent.log, error: (sentence) => void errors.push(sentence) } };
  const store = openMemoryStore(env);
  await commit(store, first);
  const faulty = new FaultyStore(store);
  const stop = new AbortController();
  const mirror = openMirror(env, faulty, range, stop.signal);
  const heard: string[] = [];
  mirror.subscribe((changes, fresh) => {
    const kind = fresh ? "fresh " : mirror.syncedSinceMs === undefined ? "lost " : "";
    heard.push(kind + changes.map(keyOf).join(" "));
  });
  await mirror.ready;
  await faulty.watching();
  const end = async (): Promise<void> => {
    stop.abort(new Error("the test is over"));
    await store.close();
  };
  return { store, faulty, mirror, heard, errors, end };
}

/** Resolves at the first notification after which the condition holds. */
async function heardOf(mirror: Mirror, holds: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = mirror.subscribe(() => {
    if (holds()) resolve();
  });
  await promise;
  unsubscribe();
}

function lines(mirror: Mirror): string[] {
  return [...mirror.entries].map(([key, entry]) => `${key}=${entry.value}`);
}

/** A store behind a network that can be cut. */
class FaultyStore implements Store {
  readonly #store: Store;
  #cut = new AbortController();
  #opened = Promise.withResolvers<void>();
  readonly commit: Store["commit"];
  readonly grantLease: Store["grantLease"];
  readonly renewLease: Store["renewLease"];
  readonly revokeLease: Store["revokeLease"];
  readonly compact: Store["compact"];
  readonly close: Store["close"];

  constructor(store: Store) {
    this.#store = store;
    this.commit = (transaction) => store.commit(transaction);
    this.grantLease = (ttlMs) => store.grantLease(ttlMs);
    this.renewLease = (id) => store.renewLease(id);
    this.revokeLease = (id) => store.revokeLease(id);
    this.compact = (revision) => store.compact(revision);
    this.close = () => store.close();
  }

  async read(...asked: Parameters<Store["read"]>): ReturnType<Store["read"]> {
    this.#cut.signal.throwIfAborted();
    return this.#store.read(...asked);
  }

  watch(wanted: KeyRange, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    this.#opened.resolve();
    return this.#store.watch(wanted, after, AbortSignal.any([signal, this.#cut.signal]));
  }

  /** Resolves once a watch was opened. */
  watching(): Promise<void> {
    return this.#opened.promise;
  }

  break(): void {
    this.#cut.abort(new Fault("store-unavailable", "Cannot reach the store, the network is down."));
  }

  heal(): void {
    this.#cut = new AbortController();
  }

  /** Ends the open watches, and nothing else. */
  failWatches(reason: Fault): void {
    const cut = this.#cut;
    this.heal();
    cut.abort(reason);
  }
}
