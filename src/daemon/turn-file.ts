import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { parseTurn, type Turn, type TurnFile } from "../locksmith/reboot-turn.ts";

/**
 * The reboot that is under way, in one file of the disk: the next boot finds it. Each version is whole and on the disk before a
 * write resolves. Throws Fault `turn-file`.
 */
export function turnFile(path: string, log: Log): TurnFile {
  return {
    async read() {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw fault("read", path, error);
      });
      if (text === undefined) return undefined;
      const turn = parseTurn(text);
      if (turn === undefined) log.warning(`cannot read ${path}: it is taken for absent`);
      return turn;
    },
    async write(turn) {
      try {
        await mkdir(dirname(path), { recursive: true });
        if (turn === undefined) await rm(path, { force: true });
        else await replace(path, turn);
        await synced(dirname(path), async () => {});
      } catch (error) {
        throw fault("write", path, error);
      }
    },
  };
}

async function replace(path: string, turn: Turn): Promise<void> {
  await synced(`${path}.new`, async (file) => await file.writeFile(`${JSON.stringify(turn)}\n`), "w");
  await rename(`${path}.new`, path);
}

async function synced(
  path: string,
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<void>,
  flags = "r",
): Promise<void> {
  const file = await open(path, flags);
  try {
    await work(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

function fault(deed: string, path: string, error: unknown): Fault {
  return new Fault("turn-file", `cannot ${deed} ${path}: ${sentenceOf(error)}`, { cause: error });
}
