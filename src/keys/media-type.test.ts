import assert from "node:assert/strict";
import { test } from "node:test";
import { readMediaType } from "./media-type.ts";

const form = "application/x-www-form-urlencoded";

/** What etcd 3.4 says to a PUT with this header. */
const cases: readonly (readonly [header: string | undefined, type: string, problem?: string])[] = [
  [undefined, "application/octet-stream"],
  ["", "application/octet-stream"],
  [form, form],
  ["Application/X-WWW-Form-URLencoded", form],
  [` ${form} ;charset=x`, form],
  [`${form}; charset="a b;c"`, form],
  [`${form};`, form],
  [`${form}; a=1; A=1`, form],
  [`${form}; charset`, form, "mime: invalid media parameter"],
  [`${form}; charset="open`, form, "mime: invalid media parameter"],
  [`${form}; ;`, form, "mime: invalid media parameter"],
  [`${form}; a=1; a=2`, form, "mime: duplicate parameter name"],
  ["nonsense", "nonsense"],
  [";", "", "mime: no media type"],
  ["/", "/", "mime: no media type"],
  ["a b", "a b", "mime: expected slash after first token"],
  ["a/", "a/", "mime: expected token after slash"],
  ["a/b/c", "a/b/c", "mime: unexpected content after media subtype"],
];

test("types of bodies are read as Go reads them, with its words for what is wrong", () => {
  for (const [header, type, problem] of cases) {
    assert.deepEqual({ header, ...readMediaType(header) }, { header, type, problem });
  }
});
