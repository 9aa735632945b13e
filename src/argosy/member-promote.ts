import type { Command } from "../cli/command.ts";
import { findRow, memberRows, planAdd } from "../membership/picture.ts";
import { carryOut, changeFlags, type ConnectMembers, progressTo, withMembers } from "./member-flags.ts";

/** `argosy member promote`. */
export function memberPromoteCommand(connect: ConnectMembers): Command {
  return {
    name: "promote",
    summary: "Give a learner its vote",
    usage: "MACHINE",
    description:
      "Makes a learner a full member as soon as it holds all data, and returns when it is one. A proxy becomes a member " +
      "as with add.",
    flags: changeFlags,
    arity: { least: 1, most: 1 },
    examples: [{ line: "argosy member promote m4", meaning: "m4, added with --learner before, votes" }],
    run: async (call) =>
      await withMembers(call, connect, async (membership) => {
        const rows = memberRows(await membership.picture());
        const row = findRow(rows, call.arguments[0] ?? "");
        return await carryOut(call, planAdd(rows, row, true), async () => {
          await membership.add(row, true, progressTo(call), call.signal);
          return { outcome: "member", sentence: `${row.name} is a member.` };
        });
      }),
  };
}
