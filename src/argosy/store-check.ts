import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { digestOf, readContent } from "../store/transfer/content.ts";
import { assertStored, type OpenStore, sizeText, type StoreSpec, withStore } from "./store-flags.ts";

/** `argosy store check`. */
export function storeCheckCommand(open: OpenStore): Command {
  return {
    name: "check",
    summary: "Read an embedded store whole, and check every checksum",
    usage: "DIR",
    description:
      "Opens the store in DIR, which nothing else may have open, reads every row and compares it with its checksum, and prints " +
      "what it holds. A store that is damaged is refused with the place, and exit code 1.",
    flags: [jsonFlag],
    arity: { least: 1, most: 1 },
    choices: { files: true },
    examples: [{ line: "argosy store check /var/lib/argosy/store", meaning: "see whether a store is whole" }],
    async run(call) {
      const [folder = ""] = call.arguments;
      const spec: StoreSpec = { kind: "embedded", folder: folder.replace(/^embedded:/, "") };
      assertStored(spec);
      const startMs = call.env.clock.monotonic();
      const { lasting, leased, revision } = await withStore(call, open, spec, readContent);
      const seconds = (call.env.clock.monotonic() - startMs) / 1_000;
      const digest = digestOf(lasting);
      if (call.flags.on("json")) {
        printJson(call, { folder: spec.folder, revision, leased: leased.length, ...digest, seconds });
        return exitCodes.done;
      }
      call.stdout.write(
        `The store in ${spec.folder} is whole: ${digest.entries} entries (${sizeText(digest.size)}) and ${leased.length} signs of ` +
          `life at revision ${revision}, read in ${seconds.toFixed(1)} s.\nIts checksum is ${digest.checksum}.\n`,
      );
      return exitCodes.done;
    },
  };
}
