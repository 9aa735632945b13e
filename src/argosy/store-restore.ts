import { readFile } from "node:fs/promises";
import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { readBackup } from "../store/transfer/backup.ts";
import { digestOf, isEmpty, writeContent } from "../store/transfer/content.ts";
import { compare } from "../store/transfer/migrate.ts";
import { setDamagedAside } from "./store-aside.ts";
import {
  dryRunFlag,
  nameOf,
  type OpenStore,
  progressOn,
  replaceFlag,
  sizeText,
  storeNamed,
  toFlag,
  withStore,
} from "./store-flags.ts";

/** `argosy store restore`. */
export function storeRestoreCommand(open: OpenStore): Command {
  return {
    name: "restore",
    summary: "Fill a store from a backup, and compare",
    usage: "FILE",
    description:
      "Reads FILE whole and checks it before anything is written. Nothing may use the store meanwhile, so stop fleet and " +
      "etcd first. With --replace an embedded store that is damaged is moved aside, never deleted.",
    flags: [toFlag, replaceFlag, dryRunFlag, jsonFlag],
    arity: { least: 1, most: 1 },
    choices: { files: true },
    examples: [
      {
        line: "argosy store restore argosy.backup --to embedded:/var/lib/argosy/store --replace",
        meaning: "go back to a backup on this machine",
      },
      {
        line: "argosy store restore argosy.backup --to http://10.0.0.11:2379",
        meaning: "fill a new cluster",
      },
    ],
    async run(call) {
      const [file = ""] = call.arguments;
      const spec = storeNamed(call, "to");
      const { facts, entries } = readBackup(file, await textOf(file));
      const digest = digestOf(entries);
      const what = `${digest.entries} entries (${sizeText(digest.size)}) of ${facts.made}`;
      const [replace, dryRun] = [call.flags.on("replace"), call.flags.on("dry-run")];
      const aside = replace && !dryRun ? await setDamagedAside(call, open, spec) : undefined;
      const { progress, end } = progressOn(call);
      const targetWasEmpty = await withStore(call, open, spec, async (store) => {
        const wasEmpty = await isEmpty(store);
        if (dryRun) return wasEmpty;
        await writeContent(store, entries, { replace, progress }).finally(end);
        await compare(store, digest);
        return wasEmpty;
      });
      if (call.flags.on("json")) {
        printJson(call, { file, to: nameOf(spec), dryRun, ...facts, ...digest, targetWasEmpty, aside });
        return exitCodes.done;
      }
      if (dryRun) {
        const target = targetWasEmpty ? "is empty" : "holds data already: --replace would delete it";
        call.stdout.write(`Would write ${what} to ${nameOf(spec)}, which ${target}.\n`);
        return exitCodes.done;
      }
      if (aside !== undefined) call.stdout.write(`Moved the damaged store to ${aside}.\n`);
      call.stdout.write(
        `Wrote ${what} from ${file} to ${nameOf(spec)}.\nIt holds ${digest.entries} entries with checksum ${digest.checksum}.\n`,
      );
      return exitCodes.done;
    },
  };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Fault(
      "cannot-read",
      `Cannot read the backup ${file}, ${sentenceOf(error)}: see whether it is there.`,
      {
        cause: error,
      },
    );
  }
}
