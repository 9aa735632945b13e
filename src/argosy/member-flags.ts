import { type Call, exitCodes, type Flag } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { Membership } from "../membership/changes.ts";
import type { Survey } from "../membership/recovery.ts";
import type { Plan } from "../membership/picture.ts";

/** Makes a cluster anew from the data of this machine's member. */
export interface Recovery {
  /** Throws Fault `no-data` on a machine without data, and `member-silent`. */
  survey(): Promise<Survey>;
  /** Resolves when this machine's member leads alone. */
  recover(found: Survey): Promise<void>;
}

/** Reaches the members of the store. */
export interface OpenMembership {
  readonly membership: Membership;
  readonly recovery: Recovery;
  close(): Promise<void>;
}

/**
 * Opens what commands about members work with. Its libraries come with the daemons, so only when it is called.
 * @param endpoints those that were named; none: what this machine knows
 */
export type ConnectMembers = (env: Env, endpoints: readonly string[]) => Promise<OpenMembership>;

/** Where the members are, for a machine that does not know it. */
export const endpointsFlag: Flag = {
  name: "endpoints",
  kind: "text",
  placeholder: "URLS",
  summary: "client addresses of members, with commas between; without it what this machine knows",
};

export const dryRunFlag: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "say what would be done, and do nothing",
};

/** The flags of every command that changes the members. */
export const changeFlags: readonly Flag[] = [dryRunFlag, endpointsFlag, jsonFlag];

/** What a change has come to. */
export interface Changed {
  /** Such as `member` or `proxy`, for scripts. */
  readonly outcome: string;
  readonly sentence: string;
}

/**
 * Carries a plan out, or only tells it: refuses what may not be, does nothing where nothing is to be done, tells the steps of a
 * dry run. Returns the exit code.
 */
export async function carryOut(call: Call, plan: Plan, work: () => Promise<Changed>): Promise<number> {
  if (plan.may === "not") throw new Fault("members-refuse", `cannot do that: ${plan.why}`);
  if (plan.may === "rest") return report(call, { outcome: "nothing to do", sentence: `${plan.why}.` }, []);
  for (const warning of plan.warnings) call.stderr.write(`Note: ${warning}.\n`);
  if (!call.flags.on("dry-run")) return report(call, await work(), plan.steps);
  if (call.flags.on("json")) printJson(call, { outcome: "dry run", steps: plan.steps });
  else for (const step of plan.steps) call.stdout.write(`would ${step}\n`);
  return exitCodes.done;
}

function report(call: Call, { outcome, sentence }: Changed, steps: readonly string[]): number {
  if (call.flags.on("json")) printJson(call, { outcome, sentence, steps });
  else call.stdout.write(`${sentence}\n`);
  return exitCodes.done;
}

/** Tells a person what a long change waits for; a script hears only of the end. */
export function progressTo(call: Call): (line: string) => void {
  return (line) => {
    if (!call.flags.on("json")) call.stderr.write(`waiting: ${line}\n`);
  };
}

/** Works with the members, and lets go of them in the end. */
export async function withMembers(
  call: Call,
  connect: ConnectMembers,
  work: (membership: Membership) => Promise<number>,
): Promise<number> {
  const opened = await openMembers(call, connect);
  try {
    return await work(opened.membership);
  } finally {
    await opened.close();
  }
}

/** Opens the members that a call names, or those that this machine knows. */
async function openMembers(call: Call, connect: ConnectMembers): Promise<OpenMembership> {
  const named = call.flags.given(endpointsFlag.name) ? (call.flags.text(endpointsFlag.name) ?? "") : "";
  const endpoints = named.split(",").map((endpoint) => endpoint.trim());
  return await connect(
    call.env,
    endpoints.filter((endpoint) => endpoint !== ""),
  );
}
