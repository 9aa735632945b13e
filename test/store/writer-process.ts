import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import process from "node:process";
import { silentEnv } from "../../src/store/contract-tools.ts";
import { openEmbeddedStore } from "../../src/store/embedded/embedded-store.ts";
import { under } from "../../src/store/range.ts";
import type { Operation, Store } from "../../src/store/store.ts";

/**
 * The process that the crash loop kills: FOLDER WRITERS KEYS. Opens the store, tells what it holds, fills it up to KEYS keys, and lets
 * WRITERS write at once, each one transaction after the other. Every line is one write to the pipe, so that a kill loses none
 * that was told: `opened MS KEYS REVISION`, `held WRITER A B` for each writer, `ready`, and `acknowledged WRITER NUMBER REVISION`.
 */

const [folder = "", writers = "8", keys = "0"] = process.argv.slice(2);

const begun = performance.now();
const store = await openEmbeddedStore(folder, silentEnv());
const openedMs = performance.now() - begun;
const { revision } = await store.read({ from: "/" });
tell(`opened ${openedMs.toFixed(1)} ${store.size} ${revision}`);
const numbers: number[] = [];
for (let writer = 0; writer < Number(writers); writer++) {
  const [a, b] = await Promise.all([numberAt(store, writer, "a"), numberAt(store, writer, "b")]);
  numbers.push(Math.max(a, b));
  tell(`held ${writer} ${a} ${b}`);
}
await fill(store, Number(keys));
// A process that is killed would not keep it, and each round would compile everything again.
flushCompileCache();
tell("ready");
await Promise.all(numbers.map((number, writer) => writeForEver(store, writer, number)));

/** Waits while the reader is behind. */
function tell(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

async function numberAt(from: Store, writer: number, name: string): Promise<number> {
  const { entries } = await from.read({ from: keyOf(writer, name) });
  return Number(entries[0]?.value.split(" ")[0] ?? 0);
}

/** Two keys of the same number always, so that half a transaction would show; others come and go. */
async function writeForEver(to: Store, writer: number, before: number): Promise<never> {
  for (let number = before + 1; ; number++) {
    const size = number % 7 === 0 ? 20_000 : number % 200;
    const put = (name: string): Operation => ({
      do: "put",
      key: keyOf(writer, name),
      value: `${number} ${"x".repeat(size)}`,
    });
    const outcome = await to.commit({
      when: [],
      then: [
        put("a"),
        put("b"),
        number % 5 === 0 ? { do: "delete", range: under(keyOf(writer, "more/")) } : put(`more/${number % 5}`),
      ],
    });
    tell(`acknowledged ${writer} ${number} ${outcome.revision}`);
  }
}

function keyOf(writer: number, name: string): string {
  return `/writers/${writer}/${name}`;
}

async function fill(to: Store, count: number): Promise<void> {
  const missing = Math.max(0, count - store.size);
  for (let first = 0; first < missing; first += 10_000) {
    const hundreds = Array.from({ length: Math.ceil(Math.min(10_000, missing - first) / 100) }, (_, i) => i);
    await Promise.all(
      hundreds.map((hundred) =>
        to.commit({
          when: [],
          then: Array.from({ length: 100 }, (_, i) => ({
            do: "put",
            key: `/filling/${first + 100 * hundred + i}`,
            value: `${"y".repeat(200)}${i}`,
          })),
        }),
      ),
    );
  }
}
