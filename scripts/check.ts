import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Types, lint and format of the whole checkout, each with what it found. */
const checks = [
  { name: "types", words: ["tsc", "-p", "."] },
  { name: "lint", words: ["oxlint", "--type-aware", "--deny-warnings"] },
  { name: "format", words: ["biome", "format", "."] },
] as const;

const checkout = fileURLToPath(new URL("..", import.meta.url));
// The linter and the compiler start by Node's name: it has to be the one this runs on.
const path = `${checkout}node_modules/.bin:${process.env["PATH"] ?? ""}`;

for (const { name, words } of checks) {
  const begun = performance.now();
  const [program, ...rest] = words;
  const ran = spawnSync(`${checkout}node_modules/.bin/${program}`, rest, {
    cwd: checkout,
    encoding: "utf8",
    env: { ...process.env, PATH: path },
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const good = ran.status === 0;
  console.log(`check ${name}: ${good ? "good" : "FAILED"} (${seconds} s)`);
  if (good) continue;
  process.exitCode = 1;
  console.log([ran.stdout, ran.stderr, ran.error?.message].filter(Boolean).join("\n").trimEnd());
}
