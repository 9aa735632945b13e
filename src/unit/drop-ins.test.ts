import assert from "node:assert/strict";
import { test } from "node:test";
import { dropInFolders, mergeDropIns, problemWithDropInName } from "./drop-ins.ts";
import { parseUnitFile } from "./parse.ts";
import { printUnitFile } from "./print.ts";

const parsed = (text: string) => parseUnitFile(text).file;

test("drop-ins come behind the unit in the order of their names, and may reset what it says", () => {
  const unit = parsed("[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a\n");
  const merged = mergeDropIns(unit, [
    { name: "20-b.conf", file: parsed("[Service]\nExecStart=/bin/b\n") },
    { name: "10-a.conf", file: parsed("[Service]\nExecStart=\n[X-Fleet]\nGlobal=true\n") },
  ]);
  assert.equal(
    printUnitFile(merged),
    "[Unit]\nDescription=a\n\n[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n\n[X-Fleet]\nGlobal=true\n",
  );
  assert.deepEqual(mergeDropIns(unit, []), unit);
});

test("of two drop-ins of one name the later one counts", () => {
  const merged = mergeDropIns(
    [],
    [
      { name: "a.conf", file: parsed("[A]\nx=1\n") },
      { name: "a.conf", file: parsed("[A]\nx=2\n") },
    ],
  );
  assert.equal(printUnitFile(merged), "[A]\nx=2\n");
});

test("folders of drop-ins: the template's count less", () => {
  assert.deepEqual(dropInFolders("a@1.service", "a@.service"), ["a@.service.d", "a@1.service.d"]);
  assert.deepEqual(dropInFolders("a@.service", "a@.service"), ["a@.service.d"]);
  assert.deepEqual(dropInFolders("a.service", undefined), ["a.service.d"]);
});

test("names of drop-ins", () => {
  for (const good of ["a.conf", "10-memory limit.conf", ".x.conf"])
    assert.equal(problemWithDropInName(good), undefined);
  for (const bad of ["", ".conf", "a", "a.config", "a/b.conf", "../a.conf", `${"a".repeat(300)}.conf`])
    assert.match(problemWithDropInName(bad) ?? "", /cannot be the name of a drop-in/, bad);
});
