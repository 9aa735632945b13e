import assert from "node:assert/strict";
import { test } from "node:test";
import { installOf } from "./install.ts";
import { parseUnitFile } from "./parse.ts";

test("an [Install] section is told from one that installs nothing", () => {
  const of = (text: string) => installOf(parseUnitFile(text).file);
  assert.equal(of("[Service]\nExecStart=/bin/true\nWantedBy=multi-user.target\n"), "none");
  assert.equal(of("[Install]\nWantedBy=multi-user.target\n"), "somewhere");
  assert.equal(of("[Install]\nAlias=web.service\n"), "somewhere");
  assert.equal(of("[Install]\nWantedBy=\n"), "nowhere");
  assert.equal(of("[Install]\nDefaultInstance=1\n"), "nowhere");
});
