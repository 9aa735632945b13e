import type { Command } from "../cli/command.ts";
import { findRow, memberRows, type Plan, planAdd, planRemove } from "../membership/picture.ts";
import { carryOut, changeFlags, type ConnectMembers, progressTo, withMembers } from "./member-flags.ts";

/** `argosy member replace`. */
export function memberReplaceCommand(connect: ConnectMembers): Command {
  return {
    name: "replace",
    summary: "Put another machine in the place of a member, a dead one as a rule",
    usage: "OLD NEW",
    description:
      "Takes OLD out of the members and makes NEW one, and returns when NEW votes. Neither is begun when one of them " +
      "cannot be done. If it is interrupted, call it again: what is done stays done.",
    flags: changeFlags,
    arity: { least: 2, most: 2 },
    examples: [
      { line: "argosy member replace m2 m4", meaning: "m2 has burnt down; m4 holds the data instead" },
    ],
    run: async (call) =>
      await withMembers(call, connect, async (membership) => {
        const picture = await membership.picture();
        const rows = memberRows(picture);
        const [old, fresh] = [findRow(rows, call.arguments[0] ?? ""), findRow(rows, call.arguments[1] ?? "")];
        const [remove, add] = [planRemove(picture, old), planAdd(rows, fresh, true)];
        return await carryOut(call, both(remove, add), async () => {
          if (remove.may === "go") await membership.remove(picture, old, progressTo(call), call.signal);
          if (add.may === "go") await membership.add(fresh, true, progressTo(call), call.signal);
          return {
            outcome: "replaced",
            sentence: `${fresh.name} is a member in the place of ${old.name || old.member}.`,
          };
        });
      }),
  };
}

function both(remove: Plan, add: Plan): Plan {
  if (remove.may === "not") return remove;
  if (add.may === "not") return add;
  if (remove.may === "rest" && add.may === "rest")
    return { may: "rest", why: `${remove.why}, and ${add.why}` };
  const steps = [remove, add].flatMap((plan) => (plan.may === "go" ? plan.steps : []));
  return { may: "go", steps, warnings: [] };
}
