import assert from "node:assert/strict";
import { test } from "node:test";
import { movedPage } from "./redirect.ts";

test("the page of a redirect escapes what is special in HTML as Go does", () => {
  assert.equal(
    movedPage(`/a?b=1&c=<>"'`),
    '<a href="/a?b=1&amp;c=&lt;&gt;&#34;&#39;">Moved Permanently</a>.\n\n',
  );
});
