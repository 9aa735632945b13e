import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { MemoryFile } from "../update/engine.ts";
import { emptyMemory, parseMemory, printMemory } from "../update/memory.ts";

/** The engine's memory in a file that survives a power cut: written beside, synced, renamed. */
export function updateMemory(path: string, log: Log): MemoryFile {
  return {
    read: async () => {
      let text: string;
      try {
        text = await readFile(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return emptyMemory;
        throw cannot("read", path, error);
      }
      const memory = parseMemory(text);
      if (memory !== undefined) return memory;
      // Kept for whoever can make something of it; the next write would cover it.
      const aside = `${path}.unreadable`;
      try {
        await rename(path, aside);
      } catch (error) {
        throw cannot("move aside", path, error);
      }
      log.warning(
        `${path} cannot be understood, and is now ${aside}; what it knew of refused versions is lost`,
      );
      return emptyMemory;
    },
    write: async (memory) => {
      try {
        await mkdir(dirname(path), { recursive: true });
        const file = await open(`${path}.fresh`, "w");
        try {
          await file.writeFile(printMemory(memory));
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(`${path}.fresh`, path);
        const folder = await open(dirname(path), "r");
        try {
          await folder.sync();
        } finally {
          await folder.close();
        }
      } catch (error) {
        throw cannot("write", path, error);
      }
    },
  };
}

function cannot(deed: string, path: string, cause: unknown): Fault {
  return new Fault("update-memory", `cannot ${deed} ${path}: ${sentenceOf(cause)}`, { cause });
}
