import { open as openFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { backupLines } from "../store/transfer/backup.ts";
import { digestOf, readContent } from "../store/transfer/content.ts";
import {
  assertStored,
  nameOf,
  type OpenStore,
  ownStore,
  readSpec,
  sizeText,
  withStore,
} from "./store-flags.ts";

/** Lines of a backup are written in pieces of about this many UTF-16 units. */
const pieceUnits = 1024 * 1024;

/** `argosy store backup`. */
export function storeBackupCommand(open: OpenStore): Command {
  return {
    name: "backup",
    summary: "Write everything a store holds into a file",
    usage: "FILE",
    description:
      "Reads the store as it is at one moment, also while it is used, and writes FILE as a whole or not at all. What hangs " +
      "on leases, the signs of life of machines, is left out: it would be wrong by the time it is read.",
    flags: [
      {
        name: "from",
        kind: "text",
        placeholder: "STORE",
        otherwise: ownStore,
        summary: "the store to read: embedded:DIR, or client addresses of etcd with commas between",
      },
      jsonFlag,
    ],
    arity: { least: 1, most: 1 },
    choices: { files: true },
    examples: [
      {
        line: "argosy store backup /var/backups/argosy.backup",
        meaning: "this machine's store, while it is used",
      },
      {
        line: "argosy store backup --from embedded:/var/lib/argosy/store argosy.backup",
        meaning: "a store that nothing has open",
      },
    ],
    async run(call) {
      const [file = ""] = call.arguments;
      const spec = readSpec(call.flags.text("from") ?? ownStore);
      assertStored(spec);
      const content = await withStore(call, open, spec, readContent);
      const { lasting, leased, revision } = content;
      const facts = { made: new Date(call.env.clock.now()).toISOString(), revision, entries: lasting.length };
      await writeWhole(file, piecesOf(backupLines({ facts, entries: lasting })));
      const digest = digestOf(lasting);
      if (call.flags.on("json")) {
        printJson(call, { from: nameOf(spec), file, revision, leftOut: leased.length, ...digest });
        return exitCodes.done;
      }
      const out = leased.length === 0 ? "" : `; ${leased.length} signs of life were left out`;
      call.stdout.write(
        `Wrote ${digest.entries} entries (${sizeText(digest.size)}) of ${nameOf(spec)} to ${file}${out}.\n` +
          `Their checksum is ${digest.checksum}.\n`,
      );
      return exitCodes.done;
    },
  };
}

function* piecesOf(lines: Iterable<string>): Generator<string, void, undefined> {
  let piece = "";
  for (const line of lines) {
    piece += line;
    if (piece.length < pieceUnits) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

/** A file that is there is replaced when the new one is safe on the disk. Throws Fault `cannot-write`. */
async function writeWhole(file: string, pieces: Iterable<string>): Promise<void> {
  const fresh = `${file}.${process.pid}.new`;
  try {
    const handle = await openFile(fresh, "wx", 0o600);
    try {
      for (const piece of pieces) await handle.write(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
    await flushFolder(dirname(file));
  } catch (error) {
    await rm(fresh, { force: true });
    throw new Fault(
      "cannot-write",
      `Cannot write the backup to ${file}, ${sentenceOf(error)}: give a file in a folder with space that you may write to.`,
      { cause: error },
    );
  }
}

/** So that the new name survives a loss of power, too. */
async function flushFolder(path: string): Promise<void> {
  const folder = await openFile(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
