import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startForeground } from "../differential/foreground.ts";
import { Side, simple } from "../differential/side.ts";
import type { Step } from "../differential/step.ts";

/** Debian's etcdctl 3.4 and ours, as people start them. */
const programs: readonly (readonly string[])[] = [
  ["/usr/bin/etcdctl"],
  [process.execPath, fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url)), "etcdctl"],
];

/** A command takes no longer to say what it has to, in ms. */
const outputLimitMs = 60_000;

/** What happens before the commands, which ask for what was: one of each kind, and directories between. */
const changes: readonly Step[] = [
  change("PUT", "/v2/keys/w/a?value=1"),
  change("PUT", "/v2/keys/w/a?value=2&prevExist=true"),
  change("PUT", "/v2/keys/w/d?dir=true"),
  change("POST", "/v2/keys/w/d?value=job"),
  change("PUT", "/v2/keys/w/a?value=3&prevValue=2"),
  change("DELETE", "/v2/keys/w/a?prevValue=3"),
  change("PUT", "/v2/keys/w/b?value=two%0Alines"),
  change("DELETE", "/v2/keys/w/b"),
  change("PUT", "/v2/keys/w/last?value=last"),
];

/** Commands that go on until they are interrupted; each is, when it has printed so many lines. */
const endless: readonly { readonly words: readonly string[]; readonly lines: number }[] = [
  { words: ["watch", "--forever", "--recursive", "--after-index", "0INDEX", "/w"], lines: 18 },
  { words: ["watch", "-f", "-r", "--after-index", "0INDEX", "/w"], lines: 18 },
  { words: ["-o", "extended", "watch", "-f", "-r", "--after-index", "0INDEX", "/w"], lines: 68 },
  { words: ["-o", "json", "watch", "-f", "-r", "--after-index", "0INDEX", "/w"], lines: 16 },
  { words: ["watch", "-f", "--after-index", "0INDEX", "/w/a"], lines: 4 },
  // Debian's loses the dashes of `KEY -- PROGRAM`; the key behind the program is what it takes as well.
  { words: ["exec-watch", "--after-index", "4INDEX", "env", "/w/a"], lines: 12 },
  { words: ["exec-watch", "-r", "--after-index", "7INDEX", "env", "/w"], lines: 12 },
];

/** Commands that end by themselves, and what they get on standard input. */
const ending: readonly { readonly words: readonly string[]; readonly input?: string }[] = [
  { words: ["watch", "--after-index", "0INDEX", "/w/a"] },
  { words: ["-o", "json", "watch", "-r", "--after-index", "5INDEX", "/w"] },
  { words: ["set", "/in"], input: "from\nstandard input\n" },
  { words: ["get", "/in"] },
  { words: ["update", "/in"], input: "x" },
  { words: ["mk", "--in-order", "/in2"], input: "y\n" },
  { words: ["set", "/in"], input: "" },
];

test("watches and programs that they start go as with Debian's etcdctl", async () => {
  await using server = await startForeground();
  const side = new Side(server.origin);
  // An index of 0 would mean from now on.
  await side.pad(1);
  const start = await side.index();
  (await side.run(changes, start)).close();
  side.close();
  const meant = (words: readonly string[]): string[] =>
    words.map((word) => word.replace(/^(\d)INDEX$/, (_, more: string) => String(start + Number(more))));
  for (const { words, lines } of endless) {
    const [theirs, ours] = await bothPrograms(server.origin, meant(words), { lines });
    assert.deepEqual({ words, ...ours }, { words, ...theirs });
  }
  for (const { words, input } of ending) {
    const [theirs, ours] = await bothPrograms(server.origin, meant(words), { input: input ?? "" });
    assert.deepEqual({ words, ...withoutIndices(ours) }, { words, ...withoutIndices(theirs) });
  }
});

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function bothPrograms(
  origin: string,
  words: readonly string[],
  how: { readonly lines?: number; readonly input?: string },
): Promise<[Ran, Ran]> {
  const [theirs, ours] = programs.map(async (program) => await run([...program, ...words], origin, how));
  assert.ok(theirs && ours);
  return [await theirs, await ours];
}

/** Interrupts the program when it has printed so many lines. */
async function run(
  [program = "", ...words]: readonly string[],
  origin: string,
  { lines, input = "" }: { readonly lines?: number; readonly input?: string },
): Promise<Ran> {
  // Debian's takes this one away from the programs that it starts; ours needs none.
  const api = program === process.execPath ? {} : { ETCDCTL_API: "2" };
  const env = { PATH: process.env["PATH"], ...api, ETCDCTL_ENDPOINTS: origin };
  const child = spawn(program, words, { env, stdio: "pipe", timeout: outputLimitMs });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (lines !== undefined && stdout.split("\n").length > lines) child.kill("SIGINT");
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: sortedIfStarted(words, stdout), stderr };
}

/** Programs run beside each other, so their lines come in any order. */
function sortedIfStarted(words: readonly string[], stdout: string): string {
  return words.includes("exec-watch") ? stdout.split("\n").sort().join("\n") : stdout;
}

/** Both write to one server, one after the other. */
function withoutIndices({ code, stdout, stderr }: Ran): Ran {
  return { code, stdout, stderr: stderr.replaceAll(/\[\d+\]/g, "[INDEX]") };
}

function change(method: string, target: string): Step {
  return { do: "ask", ...simple(method, target) };
}
