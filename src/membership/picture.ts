import { Fault } from "../lib/fault.ts";
import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import type { MachineState } from "./records.ts";
import { canLose } from "./steps.ts";

/** A machine of the cluster, or a member that no machine of ours tells of. */
export interface MemberRow {
  /** Its host name, or the member's name; empty for a member that was never started. */
  readonly name: string;
  /** Its machine-id; empty for a member that no machine tells of. */
  readonly machine: string;
  readonly address: string;
  readonly role: "leader" | "member" | "learner" | "proxy" | "embedded";
  /** The identity that etcd knows it by; empty when it is no member. */
  readonly member: string;
  readonly peerUrl: string;
  /** `well`: it answers; `silent`: it does not; `starting`: a member that has not come up yet. */
  readonly state: "well" | "silent" | "starting";
  /** What hinders it from being what was wished; empty when nothing does. */
  readonly problem: string;
}

/** Everything that a command about members looks at. */
export interface MemberPicture {
  readonly members: readonly EtcdMember[];
  /** Undefined while there is none. */
  readonly leader: string | undefined;
  /** Identities of the members that answer. */
  readonly well: ReadonlySet<string>;
  /** What machines tell of themselves. */
  readonly states: readonly MachineState[];
  /** Identities of machines whose fleet is present. */
  readonly present: ReadonlySet<string>;
}

/** One row for each machine and each member, members first, by name. */
export function memberRows(picture: MemberPicture): readonly MemberRow[] {
  const { members, states } = picture;
  const told = new Set(states.flatMap((state) => memberOfState(state, members)?.id ?? []));
  const rows = [
    ...states.map((state) => rowOf(picture, memberOfState(state, members), state)),
    ...members.filter(({ id }) => !told.has(id)).map((member) => rowOf(picture, member, undefined)),
  ];
  return rows.toSorted((one, other) => orderOf(one) - orderOf(other) || compareNames(one.name, other.name));
}

function memberOfState(state: MachineState, members: readonly EtcdMember[]): EtcdMember | undefined {
  // A machine that is alone is told of as a member without peers.
  if (state.role === "embedded") return members.find(({ peerUrls }) => peerUrls.length === 0);
  return members.find(({ peerUrls }) => state.peerUrl !== "" && peerUrls.includes(state.peerUrl));
}

function rowOf(
  { leader, well, present }: MemberPicture,
  member: EtcdMember | undefined,
  state: MachineState | undefined,
): MemberRow {
  const role = state?.role === "embedded" ? "embedded" : member === undefined ? "proxy" : undefined;
  const asMember = member?.learner === true ? "learner" : member?.id === leader ? "leader" : "member";
  const isWell = member === undefined ? present.has(state?.machine ?? "") : well.has(member.id);
  return {
    name: state?.name ?? member?.name ?? "",
    machine: state?.machine ?? "",
    address: state?.address ?? URL.parse(member?.peerUrls[0] ?? "")?.hostname ?? "",
    role: role ?? asMember,
    member: member?.id ?? "",
    peerUrl: member?.peerUrls[0] ?? state?.peerUrl ?? "",
    state: isWell ? "well" : member?.name === "" ? "starting" : "silent",
    problem: state?.problem ?? "",
  };
}

function orderOf({ role }: MemberRow): number {
  return ["leader", "member", "learner"].includes(role) ? 0 : 1;
}

/** m2 before m10. */
function compareNames(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

/** Hexadecimal digits that are enough to name a machine, if they are only one's. */
const leastPrefix = 4;

/**
 * The machine that a person means: by host name, machine-id or its beginning, address, or the member's identity.
 * Throws Fault `no-such-machine`.
 */
export function findRow(rows: readonly MemberRow[], text: string): MemberRow {
  const exact = rows.filter((row) => [row.name, row.machine, row.address, row.member].includes(text));
  const [only, second] = exact.length > 0 || text.length < leastPrefix ? exact : beginning(rows, text);
  if (only !== undefined && second === undefined) return only;
  const names = rows.map(({ name, machine }) => (name === "" ? machine : name)).join(", ");
  throw new Fault(
    "no-such-machine",
    only === undefined
      ? `there is no machine "${text}": the cluster has ${names || "none"} (see argosy member list)`
      : `several machines are called "${text}": name one by its machine-id (see argosy member list)`,
  );
}

function beginning(rows: readonly MemberRow[], text: string): readonly MemberRow[] {
  return rows.filter(({ machine }) => machine.startsWith(text));
}

/** What a change of the members takes, or why it is not to be. */
export type Plan =
  | { readonly may: "go"; readonly steps: readonly string[]; readonly warnings: readonly string[] }
  | { readonly may: "rest"; readonly why: string }
  | { readonly may: "not"; readonly why: string };

/** What makes a machine a member, with a vote or as a learner. */
export function planAdd(rows: readonly MemberRow[], row: MemberRow, vote: boolean): Plan {
  if (row.role === "leader" || row.role === "member")
    return { may: "rest", why: `${row.name} is a member already` };
  if (row.role === "learner" && !vote) return { may: "rest", why: `${row.name} is a learner already` };
  const alone = rows.find(({ role }) => role === "embedded");
  if (alone !== undefined && alone !== row) {
    return {
      may: "not",
      why: `${alone.name} keeps the store alone, in a file: make it the first member with argosy member add ${alone.name}`,
    };
  }
  if (row.machine === "")
    return { may: "not", why: `no machine tells of the member ${row.member}: start its etcd` };
  if (row.role === "proxy" && row.state !== "well")
    return {
      may: "not",
      why: `${row.name} is not present in the cluster: start its etcd and fleet services first`,
    };
  const steps =
    row.role === "embedded"
      ? [`copy the store of ${row.name} from its file into an etcd on ${row.name}`, "go on with that etcd"]
      : [
          ...(row.role === "learner" ? [] : [`let ${row.name} in as a learner (${row.peerUrl})`]),
          ...(row.role === "learner" ? [] : [`start etcd on ${row.name}, which copies all data`]),
          ...(vote ? [`give ${row.name} its vote`] : []),
        ];
  const voters = rows.filter(({ role }) => role === "leader" || role === "member").length + (vote ? 1 : 0);
  return { may: "go", steps, warnings: evenWarning(voters) };
}

/** What takes a member out. */
export function planRemove(picture: MemberPicture, row: MemberRow): Plan {
  if (row.member === "") return { may: "rest", why: `${row.name} is no member` };
  const { members, well } = picture;
  const others = members.filter(({ id, learner }) => id !== row.member && !learner);
  if (others.length === 0)
    return { may: "not", why: `${row.name} is the only member: all data would be lost` };
  if (row.role !== "learner" && !canLose(members, row.member, well)) {
    const answering = others.filter(({ id }) => well.has(id)).length;
    return {
      may: "not",
      why:
        `without ${row.name} only ${answering} of ${others.length} members would answer, too few to go on: ` +
        "bring the others back first, or see argosy member recover",
    };
  }
  const steps = [
    ...(row.role === "leader" ? ["let another member lead"] : []),
    `take ${row.name} out of the members`,
    ...(row.machine === "" ? [] : [`stop etcd on ${row.name}, and put its data aside there`]),
  ];
  const voters = others.length - (row.role === "learner" ? 1 : 0);
  return { may: "go", steps, warnings: row.role === "learner" ? [] : evenWarning(voters) };
}

function evenWarning(voters: number): readonly string[] {
  if (voters % 2 === 1 || voters === 0) return [];
  return [`${voters} members survive no more losses than ${voters - 1}: have an odd number in the end`];
}
