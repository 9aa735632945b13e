import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { repository } from "../tidy/source-files.ts";

/** A shell that says nothing for this long has not understood what was typed. */
const patienceMs = 90_000;

const api = createServer((_request, response) => {
  const units = ["hello@1.service", "goodbye.service"].map((name) => ({ name, desiredState: "launched" }));
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ units }));
});
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "argosy-shells-"));
  const ask = `exec '${process.execPath}' '${repository}/bin/argosy.ts' fleetctl "$@"`;
  // What a shell completes shows in what it then runs.
  const told = `[ "$1" = __complete ] || [ "$1" = completion ] || { printf 'RAN %s|' "$@" END; exit; }`;
  await writeFile(join(folder, "fleetctl"), `#!/bin/sh\n${told}\n${ask}\n`);
  await chmod(join(folder, "fleetctl"), 0o755);
  await writeFile(join(folder, "local.service"), "");
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
});

after(async () => {
  api.close();
  api.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

interface Shell {
  readonly command: string;
  readonly prepare: string;
}

const shells: Readonly<Record<string, Shell>> = {
  bash: { command: "bash --norc -i", prepare: "source <(fleetctl completion bash)" },
  zsh: {
    command: "zsh -f -i",
    prepare: "autoload -U compinit; compinit -u -D; source <(fleetctl completion zsh)",
  },
  fish: { command: "fish --no-config -i", prepare: "fleetctl completion fish | source" },
};

/** What is typed, and the words that the program then gets. */
const lines: readonly (readonly [typed: string, ran: readonly string[]])[] = [
  ["fleetctl sto\t hel\t", ["stop", "hello@1.service"]],
  ["fleetctl cat hello@\t", ["cat", "hello@1.service"]],
  ["fleetctl list-units --fields=unit,mac\t", ["list-units", "--fields=unit,machine"]],
  ["fleetctl stop --no-b\t goo\t", ["stop", "--no-block", "goodbye.service"]],
  ["fleetctl start loc\t", ["start", "local.service"]],
];

assert.equal(spawnSync("bash", ["--version"]).status, 0, "bash is there");
for (const [name, shell] of Object.entries(shells)) {
  // The other shells are tried wherever somebody has them.
  if (spawnSync(name, ["--version"]).status !== 0) continue;
  test(`${name} completes commands, flags, values, units of the cluster and files`, async (t) => {
    // script gives the shell a terminal.
    const child = spawn("script", ["-qfc", shell.command, "/dev/null"], {
      cwd: folder,
      env: {
        ...process.env,
        TERM: "dumb",
        HOME: folder,
        PATH: `${folder}:${process.env["PATH"] ?? ""}`,
        FLEETCTL_ENDPOINT: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    const printed = follow(child);
    child.stdin.write(`${shell.prepare}; echo REA""DY\n`);
    await printed("READY");
    for (const [typed, ran] of lines) {
      child.stdin.write(`${typed}\n`);
      await printed(`${ran.map((word) => `RAN ${word}|`).join("")}RAN END|`);
    }
    child.stdin.write("exit\n");
    await once(child, "exit");
  });
}

/** Waits for what a terminal prints next. */
function follow(child: ChildProcess): (text: string) => Promise<void> {
  let seen = "";
  let look = (): void => {};
  child.stdout?.on("data", (piece: Buffer) => {
    seen += piece.toString();
    look();
  });
  return async (text) => {
    const found = Promise.withResolvers<void>();
    const late = setTimeout(() => found.reject(new Error(`no ${text} in:\n${seen}`)), patienceMs);
    look = () => {
      if (seen.includes(text)) found.resolve();
    };
    look();
    await found.promise.finally(() => clearTimeout(late));
    seen = seen.slice(seen.indexOf(text) + text.length);
  };
}
