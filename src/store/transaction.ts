import { assert } from "../lib/assert.ts";
import { contains } from "./range.ts";
import { maxOperations, maxOperationsAlone, type KeyRange, type Transaction } from "./store.ts";

/**
 * Stops on a transaction that breaks the rules of `Store.commit`: these are bugs of the caller, and engines would
 * otherwise differ in how they refuse them.
 */
export function assertTransaction(transaction: Transaction): void {
  const { when, then, otherwise = [] } = transaction;
  assert(when.length <= maxOperations, `a transaction has at most ${maxOperations} compares`);
  assert(then.length <= maxOperationsAlone, `a transaction has at most ${maxOperationsAlone} operations`);
  assert(otherwise.length <= maxOperations, `a transaction reads at most ${maxOperations} ranges`);
  const deleted: KeyRange[] = [];
  for (const operation of then) if (operation.do === "delete") deleted.push(operation.range);
  const put = new Set<string>();
  let puts = 0;
  for (const operation of then) {
    if (operation.do !== "put") continue;
    const { key } = operation;
    assert(key !== "", "a key is not empty");
    put.add(key);
    // The sentence is made only where it is needed: most transactions put many keys and delete none.
    if (put.size < ++puts) assert(false, `a transaction puts ${key} only once`);
    if (deleted.some((range) => contains(range, key)))
      assert(false, `a transaction does not put and delete ${key}`);
  }
}
