import assert from "node:assert/strict";
import { test } from "node:test";
import { fitted, spacedTable, tabbedTable } from "./table.ts";

test("tabs fill a column up to the tab stop behind its longest cell", () => {
  assert.deepEqual(
    tabbedTable([
      ["UNIT", "MACHINE", "ACTIVE", "SUB"],
      ["global.service", "11111111.../10.0.0.1", "active", "running"],
    ]),
    ["UNIT\t\tMACHINE\t\t\tACTIVE\tSUB", "global.service\t11111111.../10.0.0.1\tactive\trunning"],
  );
});

test("a cell that ends at a tab stop gets one more", () => {
  assert.deepEqual(
    tabbedTable([
      ["DSTATE", "x"],
      ["1234567", "x"],
    ]),
    ["DSTATE\tx", "1234567\tx"],
  );
  assert.deepEqual(
    tabbedTable([
      ["DSTATE", "x"],
      ["inactive", "x"],
    ]),
    ["DSTATE\t\tx", "inactive\tx"],
  );
});

test("blanks fill a column two beyond its longest cell, by characters and not by UTF-16 units", () => {
  assert.deepEqual(
    spacedTable([
      ["a", "b"],
      ["longer", "b"],
      ["ä😀", ""],
    ]),
    ["a       b", "longer  b", "ä😀      "],
  );
  assert.deepEqual(spacedTable([]), []);
});

test("a line that is too long for a terminal ends with a mark, tabs counted as they are shown", () => {
  assert.equal(fitted("unit\tabc", 11), "unit\tabc");
  assert.equal(fitted("unit\tabcd", 11), "unit\tab…");
  assert.equal(fitted("unit\tabcd", 8), "unit…");
  assert.equal(fitted("äöü", 3), "äöü");
  assert.equal(fitted("äöüß", 3), "äö…");
});
