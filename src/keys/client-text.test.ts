import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { escapePath, formText, goJson, problemWithPeerUrl } from "./client-text.ts";

test("paths and forms are written as Go's clients write them", () => {
  assert.equal(escapePath("/a b/ü?#%!*'()~$&+,:;=@"), "/a%20b/%C3%BC%3F%23%25%21%2A%27%28%29~$&+,:;=@");
  assert.equal(
    formText({ value: "a b&c=ü~*", ttl: "4", none: undefined }),
    "ttl=4&value=a+b%26c%3D%C3%BC~%2A",
  );
  assert.equal(goJson({ a: "<&>\u2028" }), '{"a":"\\u003c\\u0026\\u003e\\u2028"}');
});

test("whatever is written is read back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), (name, value) => {
      const wanted = value.toWellFormed();
      assert.equal(new URLSearchParams(formText({ [name]: value })).get(name), wanted);
      assert.equal(decodeURIComponent(escapePath(value)), wanted);
      assert.deepEqual(JSON.parse(goJson(value)), value);
    }),
  );
});

test("the URL of a peer has a scheme, an address with a port, and nothing else", () => {
  for (const url of ["http://10.0.0.1:2380", "https://[::1]:2380", "unix://localhost:m1"]) {
    assert.equal(problemWithPeerUrl(url), undefined, url);
  }
  assert.equal(problemWithPeerUrl("b"), "URL scheme must be http, https, unix, or unixs: b");
  assert.equal(problemWithPeerUrl("ftp://a:1"), "URL scheme must be http, https, unix, or unixs: ftp://a:1");
  assert.equal(problemWithPeerUrl("http://a"), 'URL address does not have the form "host:port": http://a');
  assert.equal(problemWithPeerUrl("http://a:1/b"), "URL must not contain a path: http://a:1/b");
});
