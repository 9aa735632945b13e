import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isFault } from "../lib/fault.ts";
import { identityFile } from "./identity-file.ts";

test("the store's identity is remembered until it is forgotten, and a file that cannot be is one sentence", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-identity-"));
  try {
    const file = identityFile(join(folder, "fleet", "store-identity"));
    assert.equal(await file.read(), undefined);
    await file.write("abc");
    assert.equal(await file.read(), "abc");
    await file.forget();
    await file.forget();
    assert.equal(await file.read(), undefined);

    await writeFile(join(folder, "file"), "");
    const impossible = identityFile(join(folder, "file", "store-identity"));
    await assert.rejects(impossible.write("abc"), (error) => isFault(error, "identity-file"));
  } finally {
    await rm(folder, { recursive: true });
  }
});
