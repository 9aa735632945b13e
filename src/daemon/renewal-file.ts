import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { RenewalLog } from "../fleet/partition.ts";
import type { Clock } from "../lib/env.ts";

/** Digits of a moment, so that each takes the place of the one before and no disk can be too full for it. */
const digits = 16;

/**
 * When this machine's presence was renewed last, in a small file under /run: a restart of the daemon finds it, a reboot does
 * not. Kept as milliseconds since the machine booted, which every daemon of one boot counts alike (CLOCK_MONOTONIC).
 * @param path where it is kept
 */
export function renewalFile(path: string, clock: Pick<Clock, "monotonic">): RenewalLog {
  const bootedAtMs = (): number => clock.monotonic() - Number(process.hrtime.bigint() / 1_000_000n);
  let writing: Promise<void> = Promise.resolve();
  const write = async (renewedAtMs: number): Promise<void> => {
    const text = `${String(Math.floor(renewedAtMs - bootedAtMs())).padStart(digits, "0")}\n`;
    try {
      await writeFile(path, text, { flag: "r+" });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
  };
  return {
    async read() {
      const text = await readFile(path, "utf8").catch(() => "");
      return /^\d+\n$/.test(text) ? Number(text) + bootedAtMs() : undefined;
    },
    async write(renewedAtMs) {
      writing = writing.catch(() => undefined).then(() => write(renewedAtMs));
      await writing;
    },
  };
}
