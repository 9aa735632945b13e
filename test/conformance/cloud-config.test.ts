import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { replayCloudConfig } from "./cloud-config.ts";

test("every recorded cloud-config is judged and applied as the original did", async () => {
  let cases = 0;
  const different: string[] = [];
  for await (const { name, differences } of replayCloudConfig(
    fileURLToPath(new URL("cloud-config", import.meta.url)),
    "",
  )) {
    cases++;
    different.push(...differences.map((each) => `${name}: ${each}`));
  }
  assert.deepEqual(different, []);
  assert.ok(cases > 200);
});
