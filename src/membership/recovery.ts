import { compareText } from "../lib/text.ts";
import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import type { MemberHealth } from "../store/etcd/cluster-admin.ts";
import type { Plan } from "./picture.ts";
import type { MachineState } from "./records.ts";

/** What is found before a cluster is made anew from one member's data. */
export interface Survey {
  readonly members: readonly EtcdMember[];
  /** Those that answer, by identity. */
  readonly answers: ReadonlyMap<string, MemberHealth>;
  /** The member on this machine, by identity. */
  readonly own: string;
  /** What machines told of themselves, as this member holds it. */
  readonly states: readonly MachineState[];
}

/**
 * Whether a cluster may be made anew from this member, and what that takes. Only without a quorum, because it would
 * split a cluster that lives; and only from the one that holds most, because what the others hold is given up.
 */
export function planRecovery({ members, answers, own }: Survey): Plan {
  const nameOf = ({ name, id }: EtcdMember): string => name || id;
  const voters = members.filter(({ learner }) => !learner);
  const answering = voters.filter(({ id }) => answers.has(id));
  const led = answering.find(({ id }) => answers.get(id)?.hasLeader === true);
  if (led !== undefined) {
    return {
      may: "not",
      why: `the cluster has a quorum, as ${nameOf(led)} says: use argosy member remove and add instead`,
    };
  }
  if (answering.length > voters.length / 2) {
    return {
      may: "not",
      why: `${answering.length} of ${voters.length} members answer, which is a quorum: wait until they have elected a leader`,
    };
  }
  const index = answers.get(own)?.index ?? 0;
  const better = answering.find(({ id }) => (answers.get(id)?.index ?? 0) > index);
  if (better !== undefined) {
    return {
      may: "not",
      why: `${nameOf(better)} holds newer data than this machine: run this command there`,
    };
  }
  const me = members.find(({ id }) => id === own);
  if (me === undefined || me.learner) {
    return {
      may: "not",
      why: "this machine's etcd is no member with a vote: run this command on one that is",
    };
  }
  const lost = members
    .filter(({ id }) => id !== own)
    .map(nameOf)
    .sort(compareText);
  return {
    may: "go",
    steps: [
      `start etcd on this machine as the only member, with all data it holds`,
      `take out ${lost.join(", ")} for ever`,
      "have machines that return use this member, until argosy member add makes them members again",
    ],
    warnings: [`writes that only ${lost.join(" and ")} had confirmed are lost`],
  };
}
