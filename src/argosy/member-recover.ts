import type { Call, Command } from "../cli/command.ts";
import { createInterface } from "node:readline/promises";
import { Fault } from "../lib/fault.ts";
import { compareText } from "../lib/text.ts";
import { jsonFlag } from "../cli/json.ts";
import { planRecovery } from "../membership/recovery.ts";
import { carryOut, type ConnectMembers, dryRunFlag } from "./member-flags.ts";

/** `argosy member recover`. */
export function memberRecoverCommand(connect: ConnectMembers): Command {
  return {
    name: "recover",
    summary: "Make the cluster anew from one member, when most members are lost for good",
    usage: "",
    description:
      "To be run on a machine whose member survived, as root; of several, on the one that holds most. Its etcd goes on " +
      "alone with all data it holds, and the others are taken out. Refuses while there is a quorum, or members enough " +
      "for one answer. Asks before it does anything. Afterwards make other machines members with argosy member add.",
    flags: [
      { name: "yes", kind: "switch", summary: "do not ask: the lost members are known to be lost for good" },
      dryRunFlag,
      jsonFlag,
    ],
    arity: { least: 0, most: 0 },
    examples: [
      { line: "argosy member recover --dry-run", meaning: "whether it may be, and what would be done" },
      { line: "argosy member recover", meaning: "do it, after a question" },
    ],
    run: async (call) => {
      const opened = await connect(call.env, []);
      try {
        const found = await opened.recovery.survey();
        const plan = planRecovery(found);
        return await carryOut(call, plan, async () => {
          const lost = found.members
            .filter(({ id }) => id !== found.own)
            .map(({ name, id }) => name || id)
            .sort(compareText);
          if (!call.flags.on("yes")) await askPerson(call, lost, plan.may === "go" ? plan.steps : []);
          await opened.recovery.recover(found);
          return {
            outcome: "recovered",
            sentence: `This machine is the only member, with all data it held; without ${lost.join(", ")}.`,
          };
        });
      } finally {
        await opened.close();
      }
    },
  };
}

/** Only a person can know that a machine which does not answer will not come back. */
async function askPerson(call: Call, lost: readonly string[], steps: readonly string[]): Promise<void> {
  for (const step of steps) call.stderr.write(`This will ${step}.\n`);
  call.stderr.write(`Are ${lost.join(" and ")} lost for good? Type yes to go on: `);
  const answer = call.stdin.isTerminal ? await lineTyped(call) : (await call.stdin.text()).trim();
  if (answer === "yes") return;
  throw new Fault(
    "not-confirmed",
    "nothing was done, because the answer was not yes; --yes goes on without asking",
  );
}

async function lineTyped(call: Call): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  try {
    return (await lines.question("", { signal: call.signal })).trim();
  } finally {
    lines.close();
  }
}
