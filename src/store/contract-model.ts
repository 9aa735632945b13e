import assert from "node:assert/strict";
import fc from "fast-check";
import { compareKeys, contains, between, exactly, under } from "./range.ts";
import { keyOf } from "./table.ts";
import type { Compare, Entry, KeyRange, Operation, Revision, Store, Transaction } from "./store.ts";

/** Few names, so that transactions meet; the last two are ordered differently by UTF-16 units and by bytes. */
const names = ["a", "a/b", "b", "c", "\u{ff5e}", "\u{1f600}"] as const;
const values = ["", "1", "2"] as const;

/** The store in the plainest words: a list of entries for each revision. */
interface Model {
  revision: Revision;
  entries: readonly Entry[];
}

type Step = (model: Model) => Transaction;

/** Carries out random sequences of transactions on the store and on a plain model; both must always agree. */
export async function checkAgainstModel(store: Store, prefix: string, runs: number): Promise<void> {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary(), { maxLength: 20 }), async (steps) => {
      // Each run has keys of its own, the same for every shrunk sequence of it would meet older ones.
      await checkSequence(store, `${prefix}${run++}/`, steps);
    }),
    { numRuns: runs },
  );
}

type NamedStep = (prefix: string) => Step;

async function checkSequence(store: Store, prefix: string, steps: readonly NamedStep[]): Promise<void> {
  const start = (await store.read(under(prefix))).revision;
  const model: Model = { revision: start, entries: [] };
  const past: Model[] = [{ ...model }];
  for (const step of steps) {
    const transaction = step(prefix)(model);
    const outcome = await store.commit(transaction);
    const holds = transaction.when.every((compare) => holdsIn(model, compare));
    assert.equal(outcome.committed, holds);
    if (outcome.committed) apply(model, transaction.then);
    else
      assert.deepEqual(
        outcome.seen,
        (transaction.otherwise ?? []).map((range) => within(model, range)),
      );
    assert.equal(outcome.revision, model.revision);
    past.push({ ...model });
  }
  for (const { revision, entries } of past) {
    const snapshot = await store.read(under(prefix), { atRevision: revision });
    assert.deepEqual(snapshot.entries, entries);
  }
  await checkWatch(store, prefix, past);
}

/** Folds the watch of the whole sequence; after each revision it must give the model of that revision. */
async function checkWatch(store: Store, prefix: string, past: readonly Model[]): Promise<void> {
  const [first] = past;
  const last = past.at(-1);
  assert.ok(first && last);
  if (first.revision === last.revision) return;
  const at = new Map(past.map((model) => [model.revision, model.entries]));
  const folded = new Map<string, Entry>();
  const stop = new AbortController();
  for await (const { revision, changes } of store.watch(under(prefix), first.revision, stop.signal)) {
    for (const change of changes) {
      if (change.kind === "put") folded.set(change.entry.key, change.entry);
      else assert.ok(folded.delete(keyOf(change)), "only what is there is deleted");
    }
    assert.deepEqual([...folded.values()].toSorted(byKey), at.get(revision));
    if (revision === last.revision) break;
  }
}

function holdsIn(model: Model, compare: Compare): boolean {
  const entry = model.entries.find(({ key }) => key === compare.key);
  return "value" in compare
    ? entry?.value === compare.value
    : (entry?.modRevision ?? 0) === compare.modRevision;
}

function apply(model: Model, operations: readonly Operation[]): void {
  const next = model.revision + 1;
  let changed = false;
  let entries = [...model.entries];
  for (const operation of operations) {
    if (operation.do === "delete") {
      const kept = entries.filter(({ key }) => !contains(operation.range, key));
      changed ||= kept.length < entries.length;
      entries = kept;
      continue;
    }
    const { key, value } = operation;
    const old = entries.find((entry) => entry.key === key);
    const entry: Entry = { key, value, createRevision: old?.createRevision ?? next, modRevision: next };
    entries = [...entries.filter((one) => one.key !== key), entry];
    changed = true;
  }
  model.entries = entries.toSorted(byKey);
  if (changed) model.revision = next;
}

function within(model: Model, range: KeyRange): Entry[] {
  return model.entries.filter(({ key }) => contains(range, key));
}

function byKey(a: Entry, b: Entry): number {
  return compareKeys(a.key, b.key);
}

function stepArbitrary(): fc.Arbitrary<NamedStep> {
  const name = fc.constantFrom(...names);
  const range = fc.oneof(
    name.map((one) => (prefix: string) => exactly(prefix + one)),
    fc.tuple(name, name).map(
      ([a, b]) =>
        (prefix: string) =>
          between(prefix + a, prefix + b),
    ),
    fc.constant((prefix: string) => under(prefix)),
  );
  const compare = fc.record({
    name,
    kind: fc.constantFrom("same", "absent", "value"),
    value: fc.constantFrom(...values),
  });
  const puts = fc.uniqueArray(fc.record({ name, value: fc.constantFrom(...values) }), {
    maxLength: 3,
    selector: (one) => one.name,
  });
  return fc
    .record({
      compares: fc.array(compare, { maxLength: 2 }),
      puts,
      deletes: fc.array(range, { maxLength: 2 }),
      otherwise: fc.array(range, { maxLength: 2 }),
    })
    .map(({ compares, puts: wanted, deletes, otherwise }) => (prefix) => (model) => {
      const ranges = deletes.map((one) => one(prefix));
      return {
        when: compares.map((one) => compareFor(model, prefix + one.name, one.kind, one.value)),
        then: [
          ...ranges.map((one): Operation => ({ do: "delete", range: one })),
          // A transaction names a key only once.
          ...wanted
            .map((one): Operation & { do: "put" } => ({
              do: "put",
              key: prefix + one.name,
              value: one.value,
            }))
            .filter(({ key }) => !ranges.some((one) => contains(one, key))),
        ],
        otherwise: otherwise.map((one) => one(prefix)),
      };
    });
}

function compareFor(model: Model, key: string, kind: string, value: string): Compare {
  if (kind === "value") return { key, value };
  const entry = model.entries.find((one) => one.key === key);
  return { key, modRevision: kind === "absent" ? 0 : (entry?.modRevision ?? 0) };
}
