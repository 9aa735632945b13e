import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import type { Role, Wish } from "./records.ts";

/** What is known when a machine asks itself what to do about its membership. */
export interface Standing {
  /** What a person wants it to be; undefined: nobody said anything. */
  readonly wish: Wish | undefined;
  readonly role: Role;
  /** Where its etcd talks to others, or would; empty when it has no address. */
  readonly peerUrl: string;
  readonly members: readonly EtcdMember[];
}

/** The next thing to do; the picture is read again after each. */
export type Step =
  | { readonly do: "nothing" }
  /** Ask the members to let this machine in. */
  | { readonly do: "join" }
  /** Start an etcd here: the members wait for it. */
  | { readonly do: "start" }
  /** Copy the embedded store into an etcd here, and go on with that. */
  | { readonly do: "grow" }
  | { readonly do: "promote"; readonly id: string }
  /** The members have let this machine go: stop its etcd and put its data aside. */
  | { readonly do: "leave" }
  | { readonly do: "refuse"; readonly why: string };

/** What brings a machine closer to what is wished of it. */
export function nextStep({ wish, role, peerUrl, members }: Standing): Step {
  if (wish === undefined) return { do: "nothing" };
  const listed = members.find(({ peerUrls }) => peerUrls.includes(peerUrl));
  if (wish.role === "proxy") {
    if (role !== "member") return { do: "nothing" };
    // The command takes it out of the list; until then its etcd is needed.
    const why = "the members still list it; if that lasts, run argosy member remove again";
    return listed === undefined ? { do: "leave" } : { do: "refuse", why };
  }
  if (peerUrl === "") {
    return {
      do: "refuse",
      why: "it does not know the address other machines reach it at: set ETCD_INITIAL_ADVERTISE_PEER_URLS in /etc/argosy/etcd-member.env there",
    };
  }
  if (role === "embedded") return { do: "grow" };
  // Its etcd was taken out before it was let in again: what it holds is of that earlier membership.
  if (listed === undefined) return role === "member" ? { do: "leave" } : { do: "join" };
  if (role === "proxy") return { do: "start" };
  return listed.learner && wish.vote ? { do: "promote", id: listed.id } : { do: "nothing" };
}

/**
 * The store's endpoints in the order a machine tries them: its own member first, then the others, each machine beginning
 * at another one, so that proxies spread over the members. Learners serve nobody. Empty when nobody is known to serve.
 * @param own where this machine reaches its own member; undefined without one
 * @param spread any number that differs between machines
 */
export function endpointsOf(
  members: readonly EtcdMember[],
  own: { readonly peerUrl: string; readonly endpoint: string } | undefined,
  spread: number,
): readonly string[] {
  const serving = members.filter(({ learner, clientUrls }) => !learner && clientUrls.length > 0);
  const mine = serving.find(({ peerUrls }) => own !== undefined && peerUrls.includes(own.peerUrl));
  const others = serving.filter((member) => member !== mine).map(({ clientUrls: [url = ""] }) => url);
  const begin = others.length === 0 ? 0 : spread % others.length;
  const turned = [...others.slice(begin), ...others.slice(0, begin)];
  return mine === undefined || own === undefined ? turned : [own.endpoint, ...turned];
}

/**
 * Whether the store can go on without a member: of those with a vote that remain, a majority is well.
 * @param well identities of the members that answer
 */
export function canLose(members: readonly EtcdMember[], id: string, well: ReadonlySet<string>): boolean {
  const voters = members.filter((member) => !member.learner && member.id !== id);
  const answering = voters.filter((member) => well.has(member.id)).length;
  return voters.length > 0 && answering > voters.length / 2;
}

/** Whether a majority of those with a vote is well. */
export function hasQuorum(members: readonly EtcdMember[], well: ReadonlySet<string>): boolean {
  const voters = members.filter(({ learner }) => !learner);
  return voters.filter(({ id }) => well.has(id)).length > voters.length / 2;
}
