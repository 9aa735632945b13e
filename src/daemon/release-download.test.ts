import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Fault } from "../lib/fault.ts";
import { signatureFault } from "./release-download.ts";

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return signatureFault(error, "http://a/SHA256SUMS", "/etc/systemd/import-pubring.gpg");
}

test("only a program that judged makes a signature wrong; what kept it from judging is tried again", async () => {
  const run = promisify(execFile);
  const judged = await faultOf(run("sh", ["-c", "echo 'gpgv: BAD signature' >&2; exit 1"]));
  assert.deepEqual(
    [judged.code, judged.message],
    [
      "update-signature",
      "the signature of http://a/SHA256SUMS is wrong, or by a key that is not in /etc/systemd/import-pubring.gpg: BAD signature",
    ],
  );
  const slow = await faultOf(run("sleep", ["1000"], { timeout: 1 }));
  assert.deepEqual(
    [slow.code, slow.message],
    [
      "update-slots",
      "cannot check the signature of http://a/SHA256SUMS: that took longer than 30 s; it is tried again",
    ],
  );
  for (const work of [
    async () => await run("/nonexistent/gpgv"),
    async () => await run("sh", ["-c", "kill -9 $$"]),
    async () => await writeFile("/nonexistent/SHA256SUMS", ""),
  ]) {
    const fault = await faultOf(work());
    assert.deepEqual([fault.code, fault.message.endsWith("; it is tried again")], ["update-slots", true]);
  }
});
