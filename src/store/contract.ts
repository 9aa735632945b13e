import { randomUUID } from "node:crypto";
import { suite, test } from "node:test";
import { ranges, revisions, transactions } from "./contract-data.ts";
import { checkAgainstModel } from "./contract-model.ts";
import { closing, compaction, leases, watches } from "./contract-time.ts";
import type { Run } from "./contract-tools.ts";
import type { Store } from "./store.ts";

export interface ContractOptions {
  /** Random sequences of transactions to compare with a plain model. */
  readonly modelRuns: number;
}

/** What every engine of the store promises; each test opens the store anew, and uses keys of its own. */
export function storeContract(name: string, open: () => Promise<Store>, options: ContractOptions): void {
  const run = runOn(open);
  void suite(`${name} keeps the contract of Store`, () => {
    revisions(run);
    ranges(run);
    transactions(run);
    watches(run);
    compaction(run);
    leases(run);
    run("random transactions do what a plain model does", (store, prefix) =>
      checkAgainstModel(store, prefix, options.modelRuns),
    );
    run("a closed store refuses every call and ends its watches", closing);
  });
}

function runOn(open: () => Promise<Store>): Run {
  return (title, body) =>
    void test(title, async () => {
      const store = await open();
      try {
        await body(store, `/contract/${randomUUID()}/`);
      } finally {
        await store.close();
      }
    });
}
