import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { hostLink } from "../../src/lab/layout.ts";
import { testLab } from "./lab-name.ts";

// npm start and npm stop as a user types them, with a lab of the test's own.

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const lab = testLab("test-start");

async function npmRun(script: "start" | "stop"): Promise<string> {
  const environment = { ...process.env, ARGOSY_LAB: lab };
  // Inside a test run Node's own test variable would make the scripts' Node print for a machine.
  Reflect.deleteProperty(environment, "NODE_TEST_CONTEXT");
  const ran = await promisify(execFile)("node", [`${checkout}scripts/${script}.mjs`], { env: environment });
  return ran.stdout;
}

/** Everything of this lab that can be seen from outside; other labs may come and go meanwhile. */
async function traces(): Promise<readonly string[]> {
  const said = async (program: string, ...words: readonly string[]): Promise<string[]> =>
    (await promisify(execFile)(program, words)).stdout.split("\n");
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const groups = await Promise.all(
    processes.map(async (pid) => await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "")),
  );
  const kept = ["/var/lib/argosy/lab", "/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export"];
  const folders = await Promise.all(kept.map(async (folder) => await readdir(folder).catch(() => [])));
  const all = [
    ...(await readFile("/proc/self/mounts", "utf8")).split("\n"),
    ...(await said("ip", "netns", "list")),
    ...(await said("ip", "-br", "link")),
    // A control group can only be deleted when nothing runs in it: these wait for init to take note of their end.
    ...groups.flatMap((text) => text.split("\n")).filter((line) => !line.endsWith(" (deleted)")),
    ...folders.flat(),
  ];
  return all.filter((line) => line.includes(lab) || line.includes(hostLink(lab)));
}

test("npm start brings up the cluster and the example, again changes nothing, npm stop leaves no trace", async () => {
  await npmRun("stop");
  assert.deepEqual(await traces(), []);
  try {
    const said = await npmRun("start");
    assert.match(said, /The cluster of 3 machines works after [\d.]+ s\./);
    const address = /^The example: .* (http:\S+)$/m.exec(said)?.[1] ?? "";
    assert.match(await (await fetch(address)).text(), /^web \d on m\d$/m);
    assert.match(said, /^m3 +\S+ +http:\S+\/fleet\/v1\/units +http:\S+\/v2\/keys\/$/m);
    assert.ok((await traces()).length > 0, "a running lab is seen");

    const again = await npmRun("start");
    assert.doesNotMatch(again, /Booted/);
    assert.match(again, /npm stop removes all of it/);
  } finally {
    await npmRun("stop");
  }
  assert.deepEqual(await traces(), []);
});
