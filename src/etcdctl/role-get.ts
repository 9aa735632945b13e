import type { Command } from "../cli/command.ts";
import { AuthClient } from "../keys/client-auth.ts";
import { nameOf } from "./auth-arguments.ts";
import type { Connect } from "./connect.ts";
import { exits, settle } from "./outcome.ts";

/** `etcdctl role get`: what a role allows. */
export function roleGet(connect: Connect): Command {
  return {
    name: "get",
    summary: "Print what a role allows",
    usage: "NAME",
    description:
      "Prints the patterns of keys that a role may read and write. A pattern that ends in * stands for every key that begins so.",
    examples: [{ line: "etcdctl role get reader", meaning: "its patterns" }],
    run: async (call) =>
      await settle(call, "bare", async () => {
        const name = nameOf(call, "role");
        const { role, read, write } = await new AuthClient(await connect(call)).role(name);
        const lines = (patterns: readonly string[]): string =>
          patterns.map((pattern) => `\t${pattern}\n`).join("");
        call.stdout.write(`Role: ${role}\nKV Read:\n${lines(read)}KV Write:\n${lines(write)}`);
        return exits.done;
      }),
  };
}
