import { assert } from "../../lib/assert.ts";
import type { Env } from "../../lib/env.ts";
import { faultOf, unavailable } from "./faults.ts";
import type { Member as ListedMember, MemberListResponse, StatusResponse } from "../wire/generated/etcd.ts";
import { Member, type EtcdTls } from "./member.ts";
import { askStatus, listMembers, type Method } from "./methods.ts";

/** How long one question to one member may take, in ms. */
const callTimeoutMs = 2_000;

/** What the first member that answers knows about the cluster; identities are hexadecimal, as etcd prints them. */
export interface EtcdMembers {
  /** By identity, lowest first. The name is empty while a member has never been started. */
  readonly members: readonly EtcdMember[];
  /** Undefined while there is none. */
  readonly leader: string | undefined;
  /** The member that answered. */
  readonly asked: string;
}

export interface EtcdMember {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** Where it serves clients; empty while it has never been started. */
  readonly clientUrls: readonly string[];
  /** A learner holds data but has no vote, and serves nobody, until it is promoted. */
  readonly learner: boolean;
}

export interface EtcdMemberReader {
  /** Throws Fault `store-unavailable` when no member answers. */
  read(): Promise<EtcdMembers>;
  close(): void;
}

/**
 * Asks an etcd cluster who its members are (v3 API, MemberList and Status), also while it has no leader. Connects when it
 * is first used. Throws Fault `store-endpoint` when an endpoint cannot be one.
 */
export function openMemberReader(
  env: Env,
  options: { readonly endpoints: readonly string[]; readonly tls?: EtcdTls },
): EtcdMemberReader {
  assert(options.endpoints.length > 0, "an etcd cluster has an endpoint");
  const members = options.endpoints.map((endpoint) => new Member(env, endpoint, options.tls));
  return {
    read: () => readFirst(members),
    close: () => {
      for (const member of members) member.close();
    },
  };
}

/** Members that are not in doubt are asked first; the last failure is the one that is told. */
async function readFirst(members: readonly Member[]): Promise<EtcdMembers> {
  const order = [...members.filter(({ inDoubt }) => !inDoubt), ...members.filter(({ inDoubt }) => inDoubt)];
  let failure: unknown;
  for (const member of order) {
    try {
      const [list, status] = await Promise.all([ask(member, listMembers, {}), ask(member, askStatus, {})]);
      return membersOf(list, status);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function ask<Request, Response>(
  member: Member,
  method: Method<Request, Response>,
  request: Request,
): Promise<Response> {
  const result = await member.call(method, request, callTimeoutMs, false);
  if (result.ok) return result.response;
  if (result.error !== undefined) throw faultOf("ask for the members of", member.endpoint, result.error);
  throw unavailable("ask for the members of", member.endpoint, "there is no connection");
}

/** A member in our words. */
export function memberOf({ ID, name, peerURLs, clientURLs, isLearner }: ListedMember): EtcdMember {
  return { id: ID.toString(16), name, peerUrls: peerURLs, clientUrls: clientURLs, learner: isLearner };
}

function membersOf(list: MemberListResponse, status: StatusResponse): EtcdMembers {
  const sorted = list.members.toSorted((one, other) => (one.ID < other.ID ? -1 : 1));
  return {
    members: sorted.map(memberOf),
    leader: status.leader === 0n ? undefined : status.leader.toString(16),
    asked: (status.header?.memberId ?? 0n).toString(16),
  };
}
