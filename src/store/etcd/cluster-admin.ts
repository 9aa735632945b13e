import { assert } from "../../lib/assert.ts";
import type { Env } from "../../lib/env.ts";
import { Fault } from "../../lib/fault.ts";
import { type EtcdMember, type EtcdMembers, memberOf, openMemberReader } from "./cluster-members.ts";
import { faultOf, unavailable } from "./faults.ts";
import { Member, type EtcdTls } from "./member.ts";
import {
  addMember,
  askStatus,
  type Method,
  moveLeader,
  promoteMember,
  removeMember,
  updateMember,
} from "./methods.ts";

/** How long a change of the members may take at one of them, in ms: it is committed like a write. */
const changeLimitMs = 7_000;
/** How long a member that is asked whether it is well may think, in ms. */
const healthLimitMs = 1_500;

/** What a member tells of itself. */
export interface MemberHealth {
  readonly hasLeader: boolean;
  /** How much of the cluster's history it holds: of two members, the one with the higher index holds more. */
  readonly index: number;
}

/** Changes who the members of an etcd cluster are (v3 API, "Cluster" service; etcd 3.4 or later). */
export interface ClusterAdmin {
  /** Throws Fault `store-unavailable` when nobody answers. */
  read(): Promise<EtcdMembers>;
  /** What a member tells of itself at one of its client addresses; undefined when it does not answer. */
  ask(member: EtcdMember): Promise<MemberHealth | undefined>;
  /**
   * Lets a member in that has no vote yet. Throws Fault `learner-waits` while another one is learning, and
   * `members-unwell` when too few members are well for a change.
   */
  addLearner(peerUrl: string): Promise<EtcdMember>;
  /** Lets a member in that votes at once. Throws Fault `member-exists` for addresses that another one has, or as above. */
  addVoter(peerUrls: readonly string[]): Promise<EtcdMember>;
  /** Changes where the others reach a member. Throws Fault `no-such-member` or `member-exists`. */
  update(id: string, peerUrls: readonly string[]): Promise<void>;
  /** Gives a learner its vote. Throws Fault `learner-behind` until it holds nearly all data. */
  promote(id: string): Promise<void>;
  /** Takes a member out; one that is none is no error. Throws Fault `members-unwell` when the others could not go on. */
  remove(id: string): Promise<void>;
  /** Lets another member lead, without an election's pause. @param leader who leads now */
  moveLeader(leader: EtcdMember, to: string): Promise<void>;
  close(): void;
}

/** What etcd says, in 3.4 and 3.5, and what it means to us. */
const meanings: readonly { readonly says: RegExp; readonly code: string; readonly sentence: string }[] = [
  {
    says: /too many learner members/,
    code: "learner-waits",
    sentence: "another machine is just becoming a member: one at a time",
  },
  {
    says: /learner member which is in sync with leader/,
    code: "learner-behind",
    sentence: "the new member does not hold all data yet: it is copied now",
  },
  {
    says: /member ID already exist|[Pp]eer URLs already exists/,
    code: "member-exists",
    sentence: "a member has this address already",
  },
  {
    says: /does not implement the method/,
    code: "members-fixed",
    sentence: "it is a store of one machine: run argosy member add on the machine that is to become a member",
  },
  { says: /member not found/, code: "no-such-member", sentence: "there is no such member" },
  {
    says: /unhealthy cluster|not enough started members/,
    code: "members-unwell",
    sentence: "too few members are well for a change: bring them back first, see argosy member list",
  },
];

/** Connects when it is first used. Throws Fault `store-endpoint` when an endpoint cannot be one. */
export function openClusterAdmin(
  env: Env,
  options: { readonly endpoints: readonly string[]; readonly tls?: EtcdTls },
): ClusterAdmin {
  return new EtcdAdmin(env, options.endpoints, options.tls);
}

class EtcdAdmin implements ClusterAdmin {
  readonly #env: Env;
  readonly #tls: EtcdTls | undefined;
  readonly #reader: ReturnType<typeof openMemberReader>;
  readonly #endpoints: readonly string[];
  readonly #members = new Map<string, Member>();

  constructor(env: Env, endpoints: readonly string[], tls: EtcdTls | undefined) {
    assert(endpoints.length > 0, "an etcd cluster has an endpoint");
    this.#env = env;
    this.#tls = tls;
    this.#endpoints = endpoints;
    this.#reader = openMemberReader(env, { endpoints, ...(tls === undefined ? {} : { tls }) });
  }

  async read(): Promise<EtcdMembers> {
    return await this.#reader.read();
  }

  async ask(member: EtcdMember): Promise<MemberHealth | undefined> {
    const answers = await Promise.all(
      member.clientUrls.map(async (url) => await this.#at(url).call(askStatus, {}, healthLimitMs, false)),
    );
    const [answer] = answers.flatMap((result) => (result.ok ? [result.response] : []));
    return answer && { hasLeader: answer.leader !== 0n, index: Number(answer.raftIndex) };
  }

  async addLearner(peerUrl: string): Promise<EtcdMember> {
    const request = { peerURLs: [peerUrl], isLearner: true };
    const { member } = await this.#change("add a member to", addMember, request);
    assert(member !== undefined, "etcd tells the member that it has added");
    return memberOf(member);
  }

  async addVoter(peerUrls: readonly string[]): Promise<EtcdMember> {
    const request = { peerURLs: [...peerUrls], isLearner: false };
    const { member } = await this.#change("add a member to", addMember, request);
    assert(member !== undefined, "etcd tells the member that it has added");
    return memberOf(member);
  }

  async update(id: string, peerUrls: readonly string[]): Promise<void> {
    await this.#change("update a member of", updateMember, { ID: numberOf(id), peerURLs: [...peerUrls] });
  }

  async promote(id: string): Promise<void> {
    await this.#change("promote a member of", promoteMember, { ID: numberOf(id) });
  }

  async remove(id: string): Promise<void> {
    try {
      await this.#change("remove a member from", removeMember, { ID: numberOf(id) });
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "no-such-member") throw error;
    }
  }

  async moveLeader(leader: EtcdMember, to: string): Promise<void> {
    const [url = ""] = leader.clientUrls;
    await this.#ask(this.#at(url), "move the leader of", moveLeader, { targetID: numberOf(to) });
  }

  close(): void {
    this.#reader.close();
    for (const member of this.#members.values()) member.close();
  }

  /** Asks one endpoint after the other until one has carried the change out or refused it. */
  async #change<Request, Response>(
    doing: string,
    method: Method<Request, Response>,
    request: Request,
  ): Promise<Response> {
    let failure: unknown;
    for (const endpoint of this.#endpoints) {
      try {
        return await this.#ask(this.#at(endpoint), doing, method, request);
      } catch (error) {
        failure = error;
        // Whether a change that got no answer was carried out is seen in the list of members, not by asking again.
        if (!(error instanceof Fault) || error.code !== "no-connection") throw error;
      }
    }
    throw failure;
  }

  async #ask<Request, Response>(
    member: Member,
    doing: string,
    method: Method<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const result = await member.call(method, request, changeLimitMs, true);
    if (result.ok) return result.response;
    if (!result.sent) {
      const { message } = unavailable(doing, member.endpoint, "there is no connection");
      throw new Fault("no-connection", message);
    }
    if (result.error === undefined) throw unavailable(doing, member.endpoint, "its answer was empty");
    const { details } = result.error;
    const meaning = meanings.find(({ says }) => says.test(details));
    if (meaning === undefined) throw faultOf(doing, member.endpoint, result.error);
    throw new Fault(meaning.code, `Cannot ${doing} etcd at ${member.endpoint}, ${meaning.sentence}.`);
  }

  #at(endpoint: string): Member {
    const known = this.#members.get(endpoint) ?? new Member(this.#env, endpoint, this.#tls);
    this.#members.set(endpoint, known);
    return known;
  }
}

function numberOf(id: string): bigint {
  return BigInt(`0x${id}`);
}
