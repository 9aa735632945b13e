import { Fault } from "../lib/fault.ts";

/** Everything about members in the store; what members etcd has is etcd's own business, not told here. */
export const membersPrefix = "/argosy/members/";

/** Keys of the records about members. Values are JSON. */
export const memberKeys = {
  /** What a person wants a machine to be. Writer: the command `argosy member`. */
  wish: (machine: string) => `${membersPrefix}wishes/${machine}`,
  wishes: `${membersPrefix}wishes/`,
  /** What a machine is, and what hinders it. Writer: that machine's etcd.service. */
  state: (machine: string) => `${membersPrefix}states/${machine}`,
  states: `${membersPrefix}states/`,
} as const;

/**
 * `member`: runs an etcd that holds all data. `proxy`: holds nothing and uses the members. `embedded`: is alone, and
 * holds all data in a file.
 */
export type Role = "member" | "proxy" | "embedded";

/** What a person wants a machine to be. Without a wish it stays what it is. */
export interface Wish {
  readonly role: "member" | "proxy";
  /** False: a learner, which holds all data and has no vote. */
  readonly vote: boolean;
  /** Which command wished it, so that its answer can be told from an earlier one. */
  readonly number: string;
}

/** What a machine is, as it tells it itself. */
export interface MachineState {
  /** Its machine-id. */
  readonly machine: string;
  /** What people call it: `spokenName`. */
  readonly name: string;
  /** The address other machines reach it at; empty when it does not know it. */
  readonly address: string;
  readonly role: Role;
  /** Where its etcd talks to others, or would. */
  readonly peerUrl: string;
  /** The `number` of the wish that it has seen last. */
  readonly seen: string;
  /** What hinders it from being what was wished, in one sentence; empty when nothing does. */
  readonly problem: string;
}

export function wishText(wish: Wish): string {
  return JSON.stringify(wish);
}

export function stateText(state: MachineState): string {
  return JSON.stringify(state);
}

/** Throws Fault `member-record` for what this release cannot read. */
export function readWish(text: string, key: string): Wish {
  const value = parsed(text, key);
  const { role, vote, number } = value;
  if ((role === "member" || role === "proxy") && typeof vote === "boolean" && typeof number === "string")
    return { role, vote, number };
  throw unreadable(key);
}

/** Throws Fault `member-record` for what this release cannot read. */
export function readState(text: string, key: string): MachineState {
  const { machine, name, address, role, peerUrl, seen, problem } = parsed(text, key);
  const texts = [machine, name, address, peerUrl, seen, problem];
  if (
    texts.every((each) => typeof each === "string") &&
    ["member", "proxy", "embedded"].includes(String(role))
  )
    return { machine, name, address, role, peerUrl, seen, problem } as MachineState;
  throw unreadable(key);
}

function parsed(text: string, key: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below, with the key.
  }
  throw unreadable(key);
}

function unreadable(key: string): Fault {
  return new Fault("member-record", `cannot read ${key} in the store: it is of another release of Argosy`);
}
