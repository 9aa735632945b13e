import assert from "node:assert/strict";
import { test } from "node:test";
import { installOf } from "./install.ts";
import { parseUnitFile } from "./parse.ts";

test("an [Install] section is told from one that installs nothing", () => {
  assert.equal(install("[Service]\nExecStart=/bin/true\nWantedBy=multi-user.target\n"), "none");
  assert.equal(install("[Install]\nWantedBy=multi-user.target\n"), "somewhere");
  assert.equal(install("[Install]\nAlias=web.service\n"), "somewhere");
  assert.equal(install("[Install]\nWantedBy=\n"), "nowhere");
  assert.equal(install("[Install]\nDefaultInstance=1\n"), "nowhere");
});

function install(text: string): string {
  return installOf(parseUnitFile(text).file);
}
