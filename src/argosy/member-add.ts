import type { Command } from "../cli/command.ts";
import { findRow, memberRows, planAdd } from "../membership/picture.ts";
import { carryOut, changeFlags, type ConnectMembers, progressTo, withMembers } from "./member-flags.ts";

/** `argosy member add`. */
export function memberAddCommand(connect: ConnectMembers): Command {
  return {
    name: "add",
    summary: "Make a machine a member",
    usage: "MACHINE",
    description:
      "Lets the machine in as a learner, which copies all data while the others go on, then gives it its vote, and " +
      "returns when it has it. The machine has to be part of the cluster already, as a proxy. On a machine that keeps " +
      "the store alone, it turns the file into an etcd, so that others can follow.",
    flags: [
      { name: "learner", kind: "switch", summary: "leave it without a vote; promote gives it one later" },
      ...changeFlags,
    ],
    arity: { least: 1, most: 1 },
    examples: [
      { line: "argosy member add m4", meaning: "m4, a proxy until now, holds all data and votes" },
      { line: "argosy member add --dry-run m4", meaning: "what that would do" },
    ],
    run: async (call) =>
      await withMembers(call, connect, async (membership) => {
        const rows = memberRows(await membership.picture());
        const row = findRow(rows, call.arguments[0] ?? "");
        const vote = !call.flags.on("learner");
        return await carryOut(call, planAdd(rows, row, vote), async () => {
          await membership.add(row, vote, progressTo(call), call.signal);
          return vote
            ? { outcome: "member", sentence: `${row.name} is a member.` }
            : { outcome: "learner", sentence: `${row.name} is a learner.` };
        });
      }),
  };
}
