import process from "node:process";

/** Every benchmark by its name; each prints what it measured and, on its last line, JSON. */
const benchmarks: Readonly<Record<string, (words: readonly string[]) => Promise<void>>> = {
  cli: async () => (await import("./cli.ts")).benchCli(),
  failover: async (words) => (await import("./failover.ts")).benchFailover(words),
  idle: async () => (await import("./idle.ts")).benchIdle(),
  keys: async () => (await import("./keys.ts")).benchKeys(),
  reboots: async () => (await import("./reboots.ts")).benchReboots(),
  schedule: async () => (await import("./schedule.ts")).benchSchedule(),
  scale: async (words) => (await import("./scale.ts")).benchScale(words),
  store: async () => (await import("./store.ts")).benchStore(),
  start: async () => (await import("./start.ts")).benchStart(),
};

const [name = "", ...words] = process.argv.slice(2);
const run = Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (run === undefined) {
  process.stderr.write(
    `There is no benchmark "${name}". Run one with: npm run bench -- NAME, where NAME is ${Object.keys(benchmarks).join(", ")}.\n`,
  );
  process.exitCode = 2;
} else {
  await run(words);
}
