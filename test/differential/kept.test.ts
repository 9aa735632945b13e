import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { keptDifferences } from "./kept.ts";

test("every difference that is kept stands in the manual, with its reason, and no other does", () => {
  const page = readFileSync(new URL("../../docs/keys.md", import.meta.url), "utf8");
  const [, section = ""] = /^## Differences$([^]*?)^## /m.exec(page) ?? [];
  const rows = Array.from(section.matchAll(/^\| \*\*(.+?)\*\* \|.+\|.+\| \S.+ \|$/gm), ([, name]) => name);
  assert.deepEqual(new Set(rows), new Set(Object.values(keptDifferences)));
});
