import type { EtcdCluster } from "../test/etcd/etcd-process.ts";

/** Calls of etcd's KV service: what is read and written. Leases and watches are streams of their own. */
const kvMethods: ReadonlySet<string> = new Set(["Range", "Put", "DeleteRange", "Txn", "Compact"]);

/** Requests to etcd by method, such as `Txn`. */
export type Requests = ReadonlyMap<string, number>;

/** Every request that etcd itself has counted: answered calls, and messages on streams, which renewals of leases are. */
async function requestsSeen(etcd: EtcdCluster): Promise<Requests> {
  const text = await (await fetch(`${etcd.endpoints[0] ?? ""}/metrics`)).text();
  const seen = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (!line.startsWith("grpc_server_msg_received_total{")) continue;
    const method = /grpc_method="(\w+)"/.exec(line)?.[1] ?? "";
    seen.set(method, (seen.get(method) ?? 0) + Number(line.slice(line.lastIndexOf(" "))));
  }
  return seen;
}

/** What etcd was asked while `act` went on. */
export async function requestsWithin(etcd: EtcdCluster, act: () => Promise<unknown>): Promise<Requests> {
  const before = await requestsSeen(etcd);
  await act();
  const after = await requestsSeen(etcd);
  return new Map(Array.from(after, ([method, count]) => [method, count - (before.get(method) ?? 0)]));
}

export function countOf(requests: Requests): number {
  return requests.values().reduce((all, count) => all + count, 0);
}

/** Calls that read or write; the renewals of leases, which come as often when nothing happens, are not among them. */
export function kvOf(requests: Requests): Requests {
  return new Map(requests.entries().filter(([method, count]) => kvMethods.has(method) && count > 0));
}

/** All other calls. */
export function othersOf(requests: Requests): Requests {
  return new Map(requests.entries().filter(([method]) => !kvMethods.has(method)));
}

export function perSecond(requests: Requests, ms: number): string {
  const rates = requests.entries().filter(([, count]) => count > 0);
  return Array.from(rates, ([method, count]) => `${method} ${((count * 1000) / ms).toFixed(1)}/s`).join(", ");
}
