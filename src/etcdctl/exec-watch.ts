import type { Call, Command } from "../cli/command.ts";
import { KeysClient, type KeysResponse } from "../keys/client-keys.ts";
import { isFault } from "../lib/fault.ts";
import type { Connect, Outside } from "./connect.ts";
import { afterIndexFlag, recursiveFlag } from "./key-arguments.ts";
import { exits, misused, Outcome } from "./outcome.ts";
import { untilInterrupted } from "./watch.ts";

/** `etcdctl exec-watch`: runs a program at each change of a key. */
export function execWatch(connect: Connect, outside: Outside): Command {
  return {
    name: "exec-watch",
    summary: "Run a program at each change of a key",
    usage: "KEY -- PROGRAM [ARGUMENT...]",
    description:
      "Runs a program for each change, without waiting for the one before. It gets ETCD_WATCH_ACTION, ETCD_WATCH_MODIFIED_INDEX, ETCD_WATCH_KEY and ETCD_WATCH_VALUE in its environment, and its output is that of etcdctl. PROGRAM [ARGUMENT...] KEY means the same.",
    flags: [afterIndexFlag, recursiveFlag],
    passesFlagsOn: true,
    examples: [
      {
        line: "etcdctl exec-watch --recursive /config -- systemctl reload nginx",
        meaning: "reload when the configuration changes",
      },
    ],
    run: async (call) =>
      await untilInterrupted(call, async () => {
        const { key, program } = readArguments(call.arguments);
        const keys = new KeysClient(await connect(call));
        const after = call.flags.number("after-index") ?? 0;
        for await (const event of keys.watch(key, call.flags.on("recursive"), after)) {
          if (event.node.dir === true) {
            call.stderr.write(`Ignored dir ${event.node.key ?? ""} change\n`);
            continue;
          }
          await start(call, outside, program, event);
        }
        return exits.done;
      }),
  };
}

function readArguments(words: readonly string[]): { key: string; program: readonly string[] } {
  const [first = "", separator] = words;
  const isNamedFirst = separator === "--";
  const program = isNamedFirst ? words.slice(2) : words.slice(0, -1);
  if (program.length === 0) throw misused("key and command to exec required");
  return { key: isNamedFirst ? first : (words.at(-1) ?? ""), program };
}

async function start(
  call: Call,
  outside: Outside,
  program: readonly string[],
  { action, node }: KeysResponse,
): Promise<void> {
  try {
    await outside.startProgram(program, {
      ...call.variables,
      ETCD_WATCH_ACTION: action,
      ETCD_WATCH_MODIFIED_INDEX: String(node.modifiedIndex ?? 0),
      ETCD_WATCH_KEY: node.key ?? "",
      ETCD_WATCH_VALUE: node.value ?? "",
    });
  } catch (error) {
    if (!isFault(error, "cannot-start")) throw error;
    throw new Outcome(exits.failed, error.message);
  }
}
