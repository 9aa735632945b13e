import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { flushesPerSecond } from "./flushes.ts";
import { realEnv } from "../src/daemon/real-env.ts";
import { type EmbeddedStore, openEmbeddedStore } from "../src/store/embedded/embedded-store.ts";

const measureMs = 5_000;
const keys = 100_000;
/** A record of the size that units and keys have. */
const recordBytes = 250;

/**
 * `npm run bench -- store`: durable writes of the embedded store with 1 and 64 writers beside what the disk flushes, the longest
 * wait of a writer, and what 100,000 keys cost to open and to hold.
 */
export async function benchStore(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-bench-store-"));
  try {
    const figures: Record<string, number> = {};
    const store = await openEmbeddedStore(join(folder, "store"), realEnv());
    for (const writers of [1, 64]) {
      const flushes = flushesPerSecond(join(folder, "flushes"));
      const { perSecond, longestMs } = await writesPerSecond(store, writers);
      figures[`flushes${writers}`] = Math.round(flushes);
      figures[`writes${writers}`] = Math.round(perSecond);
      figures[`longestWait${writers}Ms`] = Math.round(longestMs);
      say(
        `${writers} writers: ${Math.round(perSecond)} durable writes a second, the longest took ${longestMs.toFixed(0)} ms; ` +
          `the disk alone: ${Math.round(flushes)} flushes of 4 KiB a second, one after the other`,
      );
    }
    await store.close();
    Object.assign(figures, await costOfKeys(join(folder, "full")));
    say(JSON.stringify(figures));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function writesPerSecond(
  store: EmbeddedStore,
  writers: number,
): Promise<{ perSecond: number; longestMs: number }> {
  const begun = performance.now();
  let [written, longestMs] = [0, 0];
  const write = async (writer: number): Promise<void> => {
    for (let number = 0; performance.now() - begun < measureMs; number++) {
      const sent = performance.now();
      const key = `/argosy/bench/${writer}/${number % 1_000}`;
      await store.commit({ when: [], then: [{ do: "put", key, value: recordOf(number) }] });
      longestMs = Math.max(longestMs, performance.now() - sent);
      written += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return { perSecond: (1_000 * written) / (performance.now() - begun), longestMs };
}

/** Opens a store of 100,000 keys, and tells how long that takes and what of the memory it keeps. */
async function costOfKeys(folder: string): Promise<Record<string, number>> {
  const filled = await openEmbeddedStore(folder, realEnv());
  for (let first = 0; first < keys; first += 10_000) {
    await Promise.all(
      Array.from({ length: 100 }, (_, hundred) =>
        filled.commit({
          when: [],
          then: Array.from({ length: 100 }, (__, i) => {
            const number = first + 100 * hundred + i;
            return { do: "put", key: `/argosy/bench/full/${number}`, value: recordOf(number) };
          }),
        }),
      ),
    );
  }
  await filled.close();
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const begun = performance.now();
  const cpuBefore = process.cpuUsage();
  const opened = await openEmbeddedStore(folder, realEnv());
  const openMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpuBefore);
  const openCpuMs = (user + system) / 1_000;
  globalThis.gc?.();
  const bytesPerKey = (process.memoryUsage.rss() - before) / keys;
  await opened.close();
  say(
    `${keys} keys of ${recordBytes} bytes: opened in ${openMs.toFixed(0)} ms with ${openCpuMs.toFixed(0)} ms of processor time, ${bytesPerKey.toFixed(0)} bytes of memory for each`,
  );
  return {
    openMs: Math.round(openMs),
    openCpuMs: Math.round(openCpuMs),
    bytesPerKey: Math.round(bytesPerKey),
  };
}

/** Different for each number: SQLite writes nothing when nothing changes. */
function recordOf(number: number): string {
  return `${number} `.padEnd(recordBytes, "x");
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
