import { assert } from "../../lib/assert.ts";
import { pauseMs, type Backoff } from "../../lib/backoff.ts";
import type { Env } from "../../lib/env.ts";
import { Fault, isFault } from "../../lib/fault.ts";
import type {
  ChangeBatch,
  KeyRange,
  Lease,
  LeaseId,
  Outcome,
  ReadOptions,
  Revision,
  Snapshot,
  Store,
  StoreId,
  Transaction,
} from "../store.ts";
import { anotherStore } from "../faults.ts";
import { assertTransaction } from "../transaction.ts";
import { faultOf, storeClosed, unavailable } from "./faults.ts";
import { Member, type CallResult, type EtcdTls } from "./member.ts";
import { compact, grantLease, keepLeaseAlive, range as readRange, revokeLease, transact } from "./methods.ts";
import type { Method } from "./methods.ts";
import * as translate from "./translate.ts";
import { openWatch, type OpenWatch } from "./watch.ts";

export type { EtcdTls } from "./member.ts";

export interface EtcdOptions {
  /** Such as `http://127.0.0.1:2379`; the first is preferred, the others serve while it cannot. */
  readonly endpoints: readonly string[];
  /** How long one call to one member may take. Default 2 000 ms, twice etcd's usual election timeout. */
  readonly callTimeoutMs?: number;
  /** How long the preferred member must have been well again before watches that had to go elsewhere return to it. Default 10 000 ms. */
  readonly returnAfterMs?: number;
  /** For `https://` endpoints. */
  readonly tls?: EtcdTls;
}

/** How often one call is tried, over all members, when repeating it is harmless. */
const mostAttempts = 8;
/** No attempt begins later than this many call timeouts after the first. */
const mostTimeouts = 2;
const retryBackoff: Backoff = { firstMs: 50, mostMs: 800 };
/**
 * How long the first attempts to renew a lease take, per attempt; twice as long with each round over the members. A
 * member passes a renewal on to the leader, and for as long as a dead leader is not known to be dead it waits there for 7 s,
 * while the lease runs out: to ask again soon finds the next leader as soon as there is one.
 */
const renewalTimeoutMs = 250;

/**
 * A store on an etcd cluster (v3 API, etcd 3.4 or later). Connects when it is first used.
 * Throws Fault `store-endpoint` when an endpoint cannot be one.
 */
export function openEtcdStore(env: Env, options: EtcdOptions): EtcdStore {
  assert(options.endpoints.length > 0, "an etcd store has an endpoint");
  return new ClusterStore(env, options);
}

/** A store whose members can come and go. */
export interface EtcdStore extends Store {
  /**
   * Asks these from now on, the first preferred. Connections to those that stay go on, and their watches come to the first
   * after a while; watches on the others end with `store-unavailable`.
   * @param tls for members that are new; those of the options when not given
   */
  useEndpoints(endpoints: readonly string[], tls?: EtcdTls): void;
}

interface CallOptions {
  /** How long each attempt of the first round over the members may take; doubled with each round. Default: the store's. */
  readonly firstTimeoutMs?: number;
  /** False lets a member answer that knows no leader. Default true. */
  readonly needsLeader?: boolean;
}

/** Whether a call may be made again after an attempt whose outcome is not known. */
type Repeat = "harmless" | "only-unsent";

class ClusterStore implements EtcdStore {
  readonly #env: Env;
  readonly #tls: EtcdTls | undefined;
  #members: readonly Member[];
  readonly #callTimeoutMs: number;
  readonly #returnAfterMs: number;
  /** The member each open watch is on; aborting one has it opened again. */
  readonly #watches = new Map<AbortController, Member>();
  #callingBack = false;
  readonly #closing = new AbortController();
  #term: number | undefined;

  constructor(env: Env, options: EtcdOptions) {
    this.#env = env;
    this.#tls = options.tls;
    this.#members = options.endpoints.map((endpoint) => new Member(env, endpoint, options.tls));
    this.#callTimeoutMs = options.callTimeoutMs ?? 2_000;
    this.#returnAfterMs = options.returnAfterMs ?? 10_000;
  }

  get term(): number | undefined {
    return this.#term;
  }

  async read(range: KeyRange, options: ReadOptions = {}): Promise<Snapshot> {
    const request = translate.rangeRequest(range, options);
    const needsLeader = options.consistency !== "local";
    const response = await this.#call("read from", readRange, request, "harmless", { needsLeader });
    this.#term = translate.termOf(response.header);
    return {
      revision: translate.revisionOf(response.header),
      entries: response.kvs.map(translate.entryOf),
      more: response.more,
      storeId: translate.storeIdOf(response.header),
    };
  }

  async commit(transaction: Transaction): Promise<Outcome> {
    assertTransaction(transaction);
    const request = translate.transactionRequest(transaction);
    const response = await this.#call("write to", transact, request, "only-unsent");
    this.#term = translate.termOf(response.header);
    return translate.outcomeOf(response);
  }

  async *watch(
    range: KeyRange,
    after: Revision,
    signal: AbortSignal,
    storeId?: StoreId,
  ): AsyncGenerator<ChangeBatch, void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    let seen = after;
    while (true) {
      const returning = new AbortController();
      const watch = await this.#openWatch(range, seen, AbortSignal.any([ended, returning.signal]));
      this.#watches.set(returning, watch.member);
      void this.#callBack();
      try {
        if (storeId !== undefined && watch.storeId !== storeId) throw anotherStore(range);
        for await (const batch of watch.batches) {
          seen = batch.revision;
          yield batch;
        }
        return;
      } catch (error) {
        // What had arrived and was not taken yet comes again, from the member that is preferred.
        if (!returning.signal.aborted || error !== returning.signal.reason) throw error;
      } finally {
        this.#watches.delete(returning);
        watch.close();
      }
    }
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    // ID 0: etcd chooses one.
    const request = { TTL: BigInt(Math.max(1, Math.ceil(ttlMs / 1_000))), ID: 0n };
    // A lease that was granted without our knowing it expires by itself.
    const response = await this.#call("get a lease from", grantLease, request, "harmless");
    return { id: translate.leaseIdOf(response.ID), ttlMs: translate.safeNumber(response.TTL) * 1_000 };
  }

  async renewLease(id: LeaseId): Promise<Lease> {
    const request = { ID: translate.leaseNumberOf(id) };
    const response = await this.#call("renew a lease at", keepLeaseAlive, request, "harmless", {
      firstTimeoutMs: renewalTimeoutMs,
    });
    // A keep-alive of a lease that is gone is answered with a time to live of 0.
    if (response.TTL <= 0n) {
      throw new Fault(
        "store-lease-gone",
        `Cannot renew lease ${id}, it expired or was revoked: ask for a new one.`,
      );
    }
    return { id, ttlMs: translate.safeNumber(response.TTL) * 1_000 };
  }

  async revokeLease(id: LeaseId): Promise<void> {
    try {
      await this.#call("revoke a lease at", revokeLease, { ID: translate.leaseNumberOf(id) }, "harmless");
    } catch (error) {
      if (!isFault(error, "store-lease-gone")) throw error;
    }
  }

  async compact(revision: Revision): Promise<void> {
    try {
      await this.#call("compact", compact, { revision: BigInt(revision) }, "harmless");
    } catch (error) {
      // Somebody compacted as far already.
      if (!isFault(error, "store-compacted")) throw error;
    }
  }

  useEndpoints(endpoints: readonly string[], tls = this.#tls): void {
    assert(endpoints.length > 0, "an etcd store has an endpoint");
    const before = this.#members;
    if (before.map(({ endpoint }) => endpoint).join() === endpoints.join()) return;
    this.#members = endpoints.map(
      (endpoint) =>
        before.find((member) => member.endpoint === endpoint) ?? new Member(this.#env, endpoint, tls),
    );
    for (const member of before) if (!this.#members.includes(member)) member.retire();
    void this.#callBack();
  }

  async close(): Promise<void> {
    this.#closing.abort(storeClosed());
    for (const member of this.#members) member.close();
  }

  /**
   * Calls one member after the other until one answers. What was certainly not carried out is tried again; what may have
   * been only if that is harmless.
   */
  async #call<Request, Response>(
    doing: string,
    method: Method<Request, Response>,
    request: Request,
    repeat: Repeat,
    { firstTimeoutMs = this.#callTimeoutMs, needsLeader = true }: CallOptions = {},
  ): Promise<Response> {
    const startedMs = this.#env.clock.monotonic();
    for (let attempt = 1; ; attempt++) {
      this.#closing.signal.throwIfAborted();
      const member = this.#memberFor(attempt);
      const round = Math.floor((attempt - 1) / this.#members.length);
      const timeoutMs = Math.min(firstTimeoutMs * 2 ** round, this.#callTimeoutMs);
      const result = await member.call(method, request, timeoutMs, needsLeader);
      if (result.ok) return result.response;
      this.#closing.signal.throwIfAborted();
      const fault = faultFrom(doing, member, result);
      if (fault.code !== "store-unavailable") throw fault;
      if (result.sent && repeat === "only-unsent") throw fault;
      const tooLate = this.#env.clock.monotonic() - startedMs > mostTimeouts * this.#callTimeoutMs;
      if (attempt >= mostAttempts || tooLate) throw fault;
      await this.#pauseBeforeNextRound(attempt);
    }
  }

  async #openWatch(range: KeyRange, after: Revision, signal: AbortSignal): Promise<OpenWatch> {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      const member = this.#memberFor(attempt);
      try {
        return await openWatch(this.#env, member, range, after, this.#callTimeoutMs, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isFault(error, "store-unavailable") || attempt >= this.#members.length) throw error;
      }
    }
  }

  /**
   * Has watches that another member took over go back to the preferred one, once that has been well for a while: else all
   * machines would ask those members for ever that happened to be up first. Never rejects.
   */
  async #callBack(): Promise<void> {
    if (this.#callingBack) return;
    this.#callingBack = true;
    while (this.#strays().length > 0) {
      const preferred = this.#members[0];
      await preferred?.recovery;
      try {
        // Drawn, so that the clients of a large cluster do not all come back to a member in one moment.
        const afterMs = this.#returnAfterMs * (1 + this.#env.random());
        await this.#env.clock.sleep(afterMs, this.#closing.signal);
      } catch {
        return;
      }
      if (preferred !== this.#members[0] || preferred?.inDoubt === true) continue;
      for (const watch of this.#strays()) watch.abort(new Error("the watch goes back"));
    }
    this.#callingBack = false;
  }

  /** Watches on other members than the preferred one. */
  #strays(): readonly AbortController[] {
    const watches = this.#watches.entries().filter(([, member]) => member !== this.#members[0]);
    return Array.from(watches, ([watch]) => watch);
  }

  /** Members that are not in doubt first, each group in the order of the endpoints; each attempt takes the next one. */
  #memberFor(attempt: number): Member {
    const well = this.#members.filter((member) => !member.inDoubt);
    // A first failure puts its member in doubt: the head of those that are well is then already another one.
    const member = well[0] ?? this.#members[(attempt - 1) % this.#members.length];
    assert(member !== undefined, "an etcd store has a member");
    return member;
  }

  /** Goes on at once while a member is well; else waits a little, for an election or a restart. */
  async #pauseBeforeNextRound(attempt: number): Promise<void> {
    if (this.#members.some((member) => !member.inDoubt)) return;
    await this.#env.clock.sleep(pauseMs(retryBackoff, attempt, this.#env.random()), this.#closing.signal);
  }
}

function faultFrom(doing: string, member: Member, result: CallResult<unknown> & { ok: false }): Fault {
  if (result.error !== undefined) return faultOf(doing, member.endpoint, result.error);
  return unavailable(doing, member.endpoint, result.sent ? "its answer was empty" : "there is no connection");
}
