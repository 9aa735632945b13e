import { after, suite } from "node:test";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { storeContract } from "../../src/store/contract.ts";
import { openEtcdStore } from "../../src/store/etcd/etcd-store.ts";
import { startEtcd } from "./etcd-process.ts";

for (const size of [1, 3]) {
  void suite(`etcd with ${size} member${size === 1 ? "" : "s"}`, async () => {
    const cluster = await startEtcd(size);
    after(() => cluster[Symbol.asyncDispose]());
    storeContract(
      `etcd (${size})`,
      async () => openEtcdStore(silentEnv(), { endpoints: cluster.endpoints }),
      { modelRuns: 15 },
    );
  });
}
