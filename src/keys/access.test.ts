import assert from "node:assert/strict";
import { test } from "node:test";
import { realEnv } from "../daemon/real-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { mayGovern, mayUse, type Access, type Caller } from "./access.ts";
import { decideAuth } from "./auth.ts";
import { isKeysError } from "./errors.ts";
import { readCredentials } from "./gate.ts";
import { firstJson } from "./go-json.ts";
import { openLocalKeyspace, type LocalKeyspace } from "./local-keyspace.ts";
import { Passwords } from "./passwords.ts";

const access: Access = {
  enabled: true,
  begun: true,
  users: new Map([
    ["root", { password: "", roles: null }],
    ["reader", { password: "", roles: ["r", "gone"] }],
  ]),
  roles: new Map([
    ["guest", { read: ["/public", "/open*"], write: null }],
    ["r", { read: ["/a*", "/one"], write: ["/a/b"] }],
  ]),
};

const reader: Caller = { kind: "user", name: "reader" };

test("patterns let through what begins with them, or one key", () => {
  const rows: [who: Caller, key: string, what: string, may: boolean][] = [
    [reader, "/a", "read", true],
    [reader, "/abc/d", "read below", true],
    [reader, "/one", "read", true],
    [reader, "/one", "read below", false],
    [reader, "/one/two", "read", false],
    [reader, "/a/b", "write", true],
    [reader, "/a/b", "write below", false],
    [reader, "/a/b/c", "write", false],
    [reader, "/public", "read", false],
    [{ kind: "guest" }, "/public", "read below", true],
    [{ kind: "guest" }, "/opened", "read", true],
    [{ kind: "guest" }, "/public", "write", false],
    [{ kind: "unproven" }, "/public", "read", false],
    [{ kind: "user", name: "root" }, "/anything", "write below", true],
    [{ kind: "user", name: "nobody" }, "/public", "read", false],
  ];
  for (const [who, key, what, may] of rows) {
    const use = { key, write: what.startsWith("write"), recursive: what.endsWith("below") };
    assert.equal(mayUse(access, who, use), may, `${JSON.stringify(who)} ${key} ${what}`);
    assert.equal(mayUse({ ...access, enabled: false }, who, use), true);
  }
});

test("only root and who has its role govern", () => {
  assert.equal(mayGovern(access, { kind: "user", name: "root" }), true);
  for (const who of [reader, { kind: "guest" }, { kind: "unproven" }] as const) {
    assert.equal(mayGovern(access, who), false);
    assert.equal(mayGovern({ ...access, enabled: false }, who), true);
  }
});

test("credentials are a name and a password with a colon between", () => {
  const basic = (text: string): string => `bAsIc ${Buffer.from(text).toString("base64")}`;
  assert.deepEqual(readCredentials(basic("ü:a:b")), { name: "ü", password: "a:b" });
  assert.deepEqual(readCredentials(basic(":")), { name: "", password: "" });
  for (const header of [basic("none"), "Basic a", "Basic ?", "Bearer YTpi", "Basic"]) {
    assert.equal(readCredentials(header), undefined, header);
  }
});

test("a password fits what is kept of it and nothing else", async () => {
  const passwords = new Passwords(2);
  // Too long to stand in base64 by chance.
  const password = "correcthorsebattery";
  const [kept, again] = await Promise.all([passwords.hash(password), passwords.hash(password)]);
  assert.notEqual(kept, again);
  assert.ok(!kept.includes(password));
  for (let time = 0; time < 2; time++) {
    assert.equal(await passwords.fits(password, kept), true);
    assert.equal(await passwords.fits(password.toUpperCase(), kept), false);
  }
  assert.equal(await passwords.fits(password, password), false);
  const many = Array.from({ length: 3 }, () => passwords.fits("wrong", kept));
  await assert.rejects(Promise.all(many), { code: "passwords-busy" });
  await Promise.allSettled(many);
});

test("the first JSON value of a text counts, whatever follows", () => {
  assert.deepEqual(firstJson('{"a":"}"} more'), { value: { a: "}" } });
  assert.deepEqual(firstJson(' [1,{"b":"\\""}]]'), { value: [1, { b: '"' }] });
  for (const text of ["", "{", 'x {"a":1}', "]", '{"a"} {}']) assert.equal(firstJson(text), undefined, text);
});

test("users are changed in one order with the keys, and every gateway goes by them", async () => {
  const env = realEnv();
  const store = openMemoryStore(env);
  const end = new AbortController();
  const [one, other] = [0, 1].map(() => openLocalKeyspace(env, store, end.signal)) as [
    LocalKeyspace,
    LocalKeyspace,
  ];
  const put = (path: string) => (known: Access) =>
    decideAuth(
      {
        method: "PUT",
        below: `users/${path}`,
        contentType: "",
        authorization: undefined,
        body: JSON.stringify({ user: path, password: "p" }),
      },
      known,
      "hash",
    );
  const open = new AbortController().signal;
  const name = {
    do: "set",
    path: "/k",
    value: "",
    deadlineMs: undefined,
    directory: false,
    refresh: false,
  } as const;
  const answers = await Promise.all([
    one.changeAccess(put("a"), open),
    one.write(name, open),
    other.changeAccess(put("b"), open),
    other.write(name, open),
    one.changeAccess(put("c"), open),
  ]);
  assert.ok(answers.every((answer) => !isKeysError(answer)));
  for (const keyspace of [one, other]) {
    const read = await keyspace.read(
      { do: "read", path: "/k", recursive: false, sorted: false, quorum: true },
      open,
    );
    // Two writes, three users, and what the first of them takes besides.
    assert.equal(isKeysError(read) ? -1 : read.index, 2 + 3 + 4);
    const known = await keyspace.access(open);
    assert.deepEqual(isKeysError(known) ? known : Array.from(known.users.keys()).sort(), ["a", "b", "c"]);
  }
  end.abort(new Error("the test is over"));
  await Promise.all([one.ended, other.ended]);
});
