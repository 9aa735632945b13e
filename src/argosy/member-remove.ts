import type { Command } from "../cli/command.ts";
import { findRow, memberRows, planRemove } from "../membership/picture.ts";
import { carryOut, changeFlags, type ConnectMembers, progressTo, withMembers } from "./member-flags.ts";

/** `argosy member remove`. */
export function memberRemoveCommand(connect: ConnectMembers): Command {
  return {
    name: "remove",
    summary: "Make a member a proxy, or take a dead one out",
    usage: "MACHINE",
    description:
      "Takes the machine out of the members; if it leads, another one leads before. Its etcd stops, its data is put " +
      "aside on its disk, and its daemons use the other members. A machine that is away is told when it returns. " +
      "Refuses when the others could not go on without it.",
    flags: changeFlags,
    arity: { least: 1, most: 1 },
    examples: [{ line: "argosy member remove m1", meaning: "m1 holds no data any more" }],
    run: async (call) =>
      await withMembers(call, connect, async (membership) => {
        const picture = await membership.picture();
        const row = findRow(memberRows(picture), call.arguments[0] ?? "");
        return await carryOut(call, planRemove(picture, row), async () => {
          await membership.remove(picture, row, progressTo(call), call.signal);
          const name = row.name === "" ? row.member : row.name;
          return { outcome: "removed", sentence: `${name} is no member any more.` };
        });
      }),
  };
}
