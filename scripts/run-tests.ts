import { globSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

/** Test files that run under the same rules. */
interface Group {
  readonly name: string;
  readonly files: readonly string[];
  /** How many files run at once; as many as there are processors unless said. */
  readonly atOnce?: number;
  /** Left out unless a pattern begins so. */
  readonly onlyFor?: string;
  readonly hangLimitMs?: number;
}

/**
 * Runs every test file, or those whose path contains one of the words given, and prints one summary at the end.
 * Tests with machines or servers of their own come two files at a time: they wait for elections, leases and boots most of the time, and
 * more of them would only take turns at the two or four processors of a usual machine. Virtual machines take all of it.
 */
const groups: readonly Group[] = [
  {
    name: "unit tests",
    files: [
      "src/**/*.test.ts",
      "bin/**/*.test.ts",
      "scripts/**/*.test.ts",
      "image/**/*.test.ts",
      "test/{tidy,conformance,consistency,shells}/**/*.test.ts",
    ],
  },
  {
    name: "tests with real servers and disks",
    files: ["test/{etcd,differential,fuzz,store}/**/*.test.ts"],
    atOnce: 2,
  },
  { name: "tests on real machines", files: ["test/nspawn/**/*.test.ts"], atOnce: 2 },
  {
    name: "tests of the image in a virtual machine",
    files: ["test/qemu/**/*.test.ts"],
    atOnce: 1,
    // Without hardware virtualization all of it is ten times slower, and it builds the image first.
    hangLimitMs: 40 * 60_000,
  },
  {
    name: "long tests of the image in virtual machines",
    files: ["test/os/**/*.test.ts"],
    atOnce: 1,
    // An hour and more, so only for who asks: npm run test:os, or a file of them by its path.
    onlyFor: "test/os/",
    hangLimitMs: 240 * 60_000,
  },
];

/** No file takes this long; one that does waits for something that never comes, and is ended so that the rest can run. */
const hangLimitMs = 15 * 60_000;

const checkout = fileURLToPath(new URL("..", import.meta.url));
const patterns = process.argv.slice(2);
/** Files that take longer are named at the end, so that whoever waits for all of them knows for which. */
const longMs = 30_000;
const long: { readonly file: string; readonly seconds: number }[] = [];
const counts = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
const begun = performance.now();

for (const group of groups) {
  const asked = patterns.filter((pattern) => pattern.startsWith(group.onlyFor ?? ""));
  const files = globSync(group.files, { cwd: checkout })
    .filter((file) =>
      patterns.length === 0 ? group.onlyFor === undefined : asked.some((pattern) => file.includes(pattern)),
    )
    .sort();
  if (files.length === 0) continue;
  console.log(`\n${group.name}: ${files.length} files`);
  await runGroup(
    files.map((file) => checkout + file),
    group.atOnce ?? true,
    group.hangLimitMs ?? hangLimitMs,
  );
}

if (counts.tests === 0) {
  console.error(`no test file has ${patterns.map((pattern) => `"${pattern}"`).join(" or ")} in its path`);
  process.exitCode = 1;
}
if (long.length > 0) console.log("\nfiles that took longest");
for (const { file, seconds } of long.sort((a, b) => b.seconds - a.seconds))
  console.log(`ℹ ${seconds} s ${file}`);
console.log("\nall tests together");
for (const [name, count] of Object.entries(counts)) console.log(`ℹ ${name} ${count}`);
console.log(`ℹ duration_ms ${Math.round(performance.now() - begun)}`);
process.exit();

async function runGroup(
  files: readonly string[],
  concurrency: number | boolean,
  timeout: number,
): Promise<void> {
  const events = run({ files: [...files], concurrency, cwd: checkout, timeout });
  events.on("test:summary", ({ file, success, counts: more, duration_ms: took }) => {
    // One summary comes for each file and one for all of them, which has no file.
    if (file !== undefined) {
      if (took > longMs) long.push({ file: file.replace(checkout, ""), seconds: Math.round(took / 1000) });
      return;
    }
    if (!success) process.exitCode = 1;
    counts.tests += more.tests;
    counts.pass += more.passed;
    counts.fail += more.tests - more.passed - more.cancelled - more.skipped - more.todo;
    counts.cancelled += more.cancelled;
    counts.skipped += more.skipped;
    counts.todo += more.todo;
  });
  const report = events.compose(new spec());
  for await (const text of report) process.stdout.write(text as string);
}
