import { Fault } from "../../lib/fault.ts";
import { type Entry, maxTransactionBytes, type Operation, type Transaction } from "../store.ts";
import type { Table } from "../table.ts";

/** What etcd counts for one put besides its key and value, in bytes, at most. */
const putOverhead = 64;
/** A rule that decides, on the state that it is shown, what to change; it runs at once and must not keep the table. */
export type Decision<Answer> = (table: Table) => {
  readonly then: readonly Operation[];
  readonly answer: Answer;
};

/** What a transaction comes to; the answer is what was seen when a compare does not hold. */
export function outcomeOf(
  table: Table,
  transaction: Transaction,
): ReturnType<Decision<readonly (readonly Entry[])[] | undefined>> {
  if (transaction.when.every((compare) => table.holds(compare)))
    return { then: transaction.then, answer: undefined };
  return { then: [], answer: (transaction.otherwise ?? []).map((range) => table.read(range).entries) };
}

/** Throws Fault `store-too-large` when these operations are too much for one transaction, here as in etcd-member.service. */
export function assertSize(operations: readonly Operation[]): void {
  let units = 0;
  for (const operation of operations)
    if (operation.do === "put") units += operation.key.length + operation.value.length;
  // A unit is at most three bytes.
  if (units * 3 <= maxTransactionBytes) return;
  let bytes = 0;
  for (const operation of operations)
    if (operation.do === "put")
      bytes += putOverhead + Buffer.byteLength(operation.key) + Buffer.byteLength(operation.value);
  if (bytes <= maxTransactionBytes) return;
  throw new Fault(
    "store-too-large",
    `Cannot write ${bytes} bytes to the store at once, it takes ${maxTransactionBytes}: write smaller values.`,
  );
}
