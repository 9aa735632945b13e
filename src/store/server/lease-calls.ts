import type { EmbeddedStore } from "../embedded/embedded-store.ts";
import { isFault } from "../../lib/fault.ts";
import { leaseNumberOf } from "./answers.ts";
import { bytesOf } from "./bytes.ts";
import { refusals } from "./failures.ts";
import type {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseTimeToLiveRequest,
  ResponseHeader,
} from "../wire/generated/etcd.ts";
import type * as wire from "../wire/generated/etcd.ts";

/** The longest lease that etcd grants, in seconds. */
const longestTtl = 9_000_000_000n;

type Header = () => ResponseHeader;

/** LeaseGrant; without a name the store finds one. */
export async function grant(
  store: EmbeddedStore,
  { ID, TTL }: LeaseGrantRequest,
  header: Header,
): Promise<wire.LeaseGrantResponse> {
  if (TTL > longestTtl) throw refusals.leaseTooLong();
  const ttlMs = Number(TTL < 1n ? 1n : TTL) * 1_000;
  const lease = ID === 0n ? await store.grantLease(ttlMs) : await store.grantNamedLease(ID.toString(), ttlMs);
  if (lease === undefined) throw refusals.leaseExists();
  return { header: header(), ID: leaseNumberOf(lease.id), TTL: secondsOf(lease.ttlMs) };
}

/** LeaseRevoke; unlike the store, etcd minds when there is no such lease. */
export async function revoke(
  store: EmbeddedStore,
  { ID }: wire.LeaseRevokeRequest,
  header: Header,
): Promise<wire.LeaseRevokeResponse> {
  if (store.leaseFacts(ID.toString()) === undefined) throw refusals.leaseGone();
  await store.revokeLease(ID.toString());
  return { header: header() };
}

/** LeaseKeepAlive: a time to live of 0 says that the lease is gone. */
export async function keepAlive(
  store: EmbeddedStore,
  { ID }: LeaseKeepAliveRequest,
  header: Header,
): Promise<wire.LeaseKeepAliveResponse> {
  try {
    const { ttlMs } = await store.renewLease(ID.toString());
    return { header: header(), ID, TTL: secondsOf(ttlMs) };
  } catch (error) {
    if (isFault(error, "store-lease-gone")) return { header: header(), ID, TTL: 0n };
    throw error;
  }
}

/** LeaseTimeToLive: -1 says that the lease is gone. */
export function timeToLive(
  store: EmbeddedStore,
  { ID, keys }: LeaseTimeToLiveRequest,
  header: Header,
): wire.LeaseTimeToLiveResponse {
  const facts = store.leaseFacts(ID.toString());
  if (facts === undefined) return { header: header(), ID, TTL: -1n, grantedTTL: 0n, keys: [] };
  return {
    header: header(),
    ID,
    TTL: secondsOf(facts.leftMs),
    grantedTTL: secondsOf(facts.ttlMs),
    keys: keys ? facts.keys.map(bytesOf) : [],
  };
}

/** LeaseLeases. */
export function list(store: EmbeddedStore, header: Header): wire.LeaseLeasesResponse {
  return { header: header(), leases: store.leaseIds().map((id) => ({ ID: leaseNumberOf(id) })) };
}

function secondsOf(ms: number): bigint {
  return BigInt(Math.max(1, Math.ceil(ms / 1_000)));
}
