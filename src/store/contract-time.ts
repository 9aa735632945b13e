import assert from "node:assert/strict";
import { commit, drain, fault, follow, keysAndValues, put, valuesAt, type Run } from "./contract-tools.ts";
import { exactly, under } from "./range.ts";
import type { Store } from "./store.ts";

export function watches(run: Run): void {
  run("a watch shows the past first and then the present", async (store, prefix) => {
    const first = await commit(store, [put(`${prefix}a`, "1")]);
    const second = await commit(store, [put(`${prefix}a`, "2"), put(`${prefix}b`, "2")]);
    await commit(store, [put(`/contract/elsewhere${prefix}`, "x")]);
    const watch = follow(store, prefix, first);
    assert.deepEqual(await watch.next(second), [`${second}: a=2`, `${second}: b=2`]);
    const third = await commit(store, [{ do: "delete", range: under(prefix) }]);
    assert.deepEqual(await watch.next(third), [`${third}: a gone`, `${third}: b gone`]);
    const fourth = await commit(store, [put(`${prefix}c`, "4")]);
    assert.deepEqual(await watch.next(fourth), [`${fourth}: c=4`]);
    await watch.end();
  });

  run("two watches see every revision once, whole and in order", async (store, prefix) => {
    const before = (await store.read(under(prefix))).revision;
    const both = [follow(store, prefix, before), follow(store, prefix, before)];
    const writes = Array.from({ length: 50 }, (_, i) =>
      commit(store, [put(`${prefix}${i}`, ""), put(`${prefix}x${i}`, "")]),
    );
    const written = (await Promise.all(writes)).toSorted((a, b) => a - b);
    const last = written.at(-1) ?? 0;
    for (const watch of both) {
      const seen = (await watch.next(last)).map((line) => Number(line.split(":")[0]));
      assert.deepEqual(
        seen,
        written.flatMap((revision) => [revision, revision]),
      );
      await watch.end();
    }
  });

  run("a watch of one key sees only that key", async (store, prefix) => {
    const before = (await store.read(under(prefix))).revision;
    await commit(store, [put(`${prefix}ab`, "1")]);
    const last = await commit(store, [put(`${prefix}a`, "1"), put(`${prefix}aa`, "1")]);
    const stop = new AbortController();
    for await (const batch of store.watch(exactly(`${prefix}a`), before, stop.signal)) {
      assert.equal(batch.revision, last);
      assert.deepEqual(batch.changes.length, 1);
      break;
    }
  });

  run("a watch ends with the reason of its signal", async (store, prefix) => {
    const reason = new Error("enough");
    await assert.rejects(drain(store.watch(under(prefix), 1_000_000_000, AbortSignal.abort(reason))), reason);
    const stop = new AbortController();
    const { revision } = await store.read(under(prefix));
    const ended = assert.rejects(drain(store.watch(under(prefix), revision, stop.signal)), reason);
    // The watch is either opening or waiting by now; both must end.
    await commit(store, [put(`${prefix}a`, "1")]);
    stop.abort(reason);
    await ended;
  });
}

export function compaction(run: Run): void {
  run("compacted history is refused, what came after it is not", async (store, prefix) => {
    const first = await commit(store, [put(`${prefix}a`, "1")]);
    await commit(store, [put(`${prefix}a`, "2")]);
    const third = await commit(store, [put(`${prefix}a`, "3")]);
    const fourth = await commit(store, [put(`${prefix}b`, "4")]);
    await store.compact(third);
    await store.compact(third);
    await assert.rejects(store.read(under(prefix), { atRevision: first }), fault("store-compacted"));
    const stop = new AbortController();
    await assert.rejects(drain(store.watch(under(prefix), first - 1, stop.signal)), fault("store-compacted"));
    assert.deepEqual(await valuesAt(store, prefix, third), ["a=3"]);
    const watch = follow(store, prefix, third);
    assert.deepEqual(await watch.next(fourth), [`${fourth}: b=4`]);
    await watch.end();
    await assert.rejects(store.compact(fourth + 1_000_000), fault("store-future-revision"));
  });
}

export function leases(run: Run): void {
  run("the keys of a lease that is not renewed vanish in one revision", async (store, prefix) => {
    const lease = await store.grantLease(1_000);
    assert.ok(lease.ttlMs >= 1_000);
    await commit(store, [put(`${prefix}a`, "1", lease.id)]);
    const last = await commit(store, [put(`${prefix}b`, "1", lease.id), put(`${prefix}stays`, "1")]);
    const { entries } = await store.read(under(prefix));
    assert.deepEqual(
      entries.map((entry) => entry.lease),
      [lease.id, lease.id, undefined],
    );
    const watch = follow(store, prefix, last);
    const lines = await watch.next(last + 1);
    assert.deepEqual(
      lines.map((line) => line.replace(/^\d+: /, "")),
      ["a gone", "b gone"],
    );
    assert.equal(new Set(lines.map((line) => line.split(":")[0])).size, 1, "in one revision");
    await assert.rejects(store.renewLease(lease.id), fault("store-lease-gone"));
    await assert.rejects(commit(store, [put(`${prefix}c`, "1", lease.id)]), fault("store-lease-gone"));
    await watch.end();
  });

  run("a renewed lease keeps its keys", async (store, prefix) => {
    const doomed = await store.grantLease(1_000);
    const kept = await store.grantLease(doomed.ttlMs * 2);
    const last = await commit(store, [
      put(`${prefix}doomed`, "", doomed.id),
      put(`${prefix}kept`, "", kept.id),
    ]);
    const renewed = await store.renewLease(kept.id);
    assert.deepEqual(renewed, kept);
    const watch = follow(store, prefix, last);
    assert.match((await watch.next(last + 1)).join(), /doomed gone$/);
    await store.renewLease(kept.id);
    assert.deepEqual(keysAndValues((await store.read(under(prefix))).entries), [`${prefix}kept=`]);
    await store.revokeLease(kept.id);
    await watch.end();
  });

  run("a revoked lease takes its keys along, but not those that left it", async (store, prefix) => {
    const lease = await store.grantLease(60_000);
    const other = await store.grantLease(60_000);
    await commit(
      store,
      ["a", "b", "freed", "moved"].map((name) => put(prefix + name, "1", lease.id)),
    );
    const before = await commit(store, [put(`${prefix}freed`, "2"), put(`${prefix}moved`, "2", other.id)]);
    await store.revokeLease(lease.id);
    await store.revokeLease(lease.id);
    const { entries, revision } = await store.read(under(prefix));
    assert.equal(revision, before + 1);
    assert.deepEqual(keysAndValues(entries), [`${prefix}freed=2`, `${prefix}moved=2`]);
    await store.revokeLease(other.id);
  });

  run("a transaction with a lease that is gone changes nothing", async (store, prefix) => {
    const lease = await store.grantLease(60_000);
    await store.revokeLease(lease.id);
    const both = [put(`${prefix}a`, "1"), put(`${prefix}b`, "1", lease.id)];
    await assert.rejects(commit(store, both), fault("store-lease-gone"));
    await assert.rejects(commit(store, [put(`${prefix}c`, "1", "no-such-lease")]), fault("store-lease-gone"));
    assert.deepEqual((await store.read(under(prefix))).entries, []);
  });
}

export async function closing(store: Store, prefix: string): Promise<void> {
  const before = await commit(store, [put(`${prefix}a`, "1")]);
  const opened = Promise.withResolvers<void>();
  const stop = new AbortController();
  const ended = assert.rejects(async () => {
    for await (const _ of store.watch(under(prefix), before - 1, stop.signal)) opened.resolve();
  }, fault("store-closed"));
  await opened.promise;
  await store.close();
  await ended;
  await assert.rejects(store.read(under(prefix)), fault("store-closed"));
  await assert.rejects(commit(store, []), fault("store-closed"));
  await assert.rejects(store.grantLease(1_000), fault("store-closed"));
  await assert.rejects(store.renewLease("1"), fault("store-closed"));
  await assert.rejects(store.revokeLease("1"), fault("store-closed"));
  await assert.rejects(store.compact(before), fault("store-closed"));
  await assert.rejects(drain(store.watch(under(prefix), before, stop.signal)), fault("store-closed"));
}
