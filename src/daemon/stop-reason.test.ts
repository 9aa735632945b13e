import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { askStopReason, stopReason } from "./stop-reason.ts";

const cases: [string, string, string][] = [
  ["no jobs", "", "unknown"],
  ["a restart", "812 fleet.service restart running\n", "restart"],
  ["a stop", "812 fleet.service stop running\n", "stop"],
  ["another unit's stop", "812 web.service stop running\n", "unknown"],
  [
    "a machine that goes down stops the service too",
    "901 poweroff.target start waiting\n902 fleet.service stop running\n",
    "shutdown",
  ],
  ["a reboot", "7 reboot.target start waiting\n8 web.service stop waiting\n", "shutdown"],
];

for (const [name, jobs, expected] of cases) {
  test(`why a service is stopped: ${name}`, () => {
    assert.equal(stopReason(jobs, "fleet.service"), expected);
  });
}

/** Asks a systemctl that is this shell script; `$0` is its path. */
async function ask(script: string): Promise<{ readonly why: string; readonly log: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-stop-reason-"));
  const path = process.env["PATH"];
  try {
    await writeFile(join(folder, "systemctl"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    process.env["PATH"] = `${folder}:${path}`;
    const { log, lines } = new FakeEnv();
    return { why: await askStopReason("fleet.service", 60_000, log), log: lines };
  } finally {
    process.env["PATH"] = path;
    await rm(folder, { recursive: true });
  }
}

test("a question that systemd ends with the service's other processes is asked again", async () => {
  const script =
    '[ -e "$0.asked" ] || { touch "$0.asked"; kill -TERM $$; }; echo "8 fleet.service stop running"';
  assert.deepEqual(await ask(script), { why: "stop", log: [] });
});

test("a systemd that gives no answer changes nothing, and is told", async () => {
  for (const script of ["kill -TERM $$", "echo 'Failed to list jobs' >&2; exit 1"]) {
    const { why, log } = await ask(script);
    assert.equal(why, "unknown");
    assert.match(log.join("\n"), /^warning: cannot find out why systemd stops fleet\.service: .*systemctl/);
  }
});
