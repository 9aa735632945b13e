import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { emptyMemory } from "../update/memory.ts";
import { updateMemory } from "./update-memory.ts";

test("the engine's memory is written whole, and one that cannot be understood is kept aside", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-memory-"));
  try {
    const path = join(folder, "state", "argosy.json");
    const memory = updateMemory(path, new FakeEnv().log);
    assert.deepEqual(await memory.read(), emptyMemory);
    const held = { ...emptyMemory, hold: { reason: "sale", sinceMs: 1 } };
    await memory.write(held);
    assert.deepEqual(await memory.read(), held);
    // What a write leaves that ended half way.
    await writeFile(`${path}.fresh`, '{"format": 1, "refu');
    assert.deepEqual(await memory.read(), held);
    await writeFile(path, '{"format": 1, "refusals": [null], "lastCheckMs": 0}');
    assert.deepEqual(await memory.read(), emptyMemory);
    await memory.write(emptyMemory);
    assert.match(await readFile(`${path}.unreadable`, "utf8"), /\[null\]/);
    assert.deepEqual((await readdir(join(folder, "state"))).toSorted(), [
      "argosy.json",
      "argosy.json.unreadable",
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
