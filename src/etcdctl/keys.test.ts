import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { runEtcdctl, startFakeServer, type RunOptions } from "./fake-server.ts";

const server = await startFakeServer();
after(async () => server[Symbol.asyncDispose]());

async function run(line: string | readonly string[], options: RunOptions = {}) {
  const words = typeof line === "string" ? line.split(" ") : line;
  return await runEtcdctl(words, { variables: { ETCDCTL_ENDPOINTS: server.endpoint }, ...options });
}

/** Standard output of a command that has to work. */
async function output(line: string | readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(line, options);
  assert.deepEqual([code, stderr], [0, ""], String(line));
  return stdout;
}

test("a value is shown as it is, with its indices, or as etcd's client shows JSON", async () => {
  assert.equal(await output("set /show/a one"), "one\n");
  const [created = ""] = /Created-Index: (\d+)/.exec(await output("-o extended get /show/a")) ?? [];
  const index = Number(created.replace("Created-Index: ", ""));
  assert.equal(
    await output("-o extended set /show/a two"),
    `Key: /show/a\nCreated-Index: ${index + 1}\nModified-Index: ${index + 1}\nPrevNode.Value: one\nTTL: 0\nIndex: ${index + 1}\n\ntwo\n`,
  );
  const node = (value: string, at: number, more = "") =>
    `{"key":"/show/a","value":"${value}","nodes":null,"createdIndex":${at},"modifiedIndex":${at}${more}}`;
  assert.equal(
    await output("-o json set /show/a <&> --ttl 60"),
    `{"action":"set","node":${node("\\u003c\\u0026\\u003e", index + 2, ',"expiration":"2001-09-09T01:47:40Z","ttl":60')},"prevNode":${node("two", index + 1)}}\n`,
  );
});

test("a value comes from standard input as it is, and must not be nothing", async () => {
  assert.equal(await output("set /in", { stdin: "text\n" }), "text\n\n");
  const none = await run("set /in");
  assert.deepEqual([none.code, none.stderr], [1, "Error:  value required\n"]);
  assert.equal(await output(["set", "/in", ""]), "\n");
});

test("lists go depth first, and mark directories when asked", async () => {
  for (const key of ["/tree/b/c", "/tree/a"]) await output(["set", key, "1"]);
  assert.equal(await output("ls --sort -p -r /tree"), "/tree/a\n/tree/b/\n/tree/b/c\n");
  assert.equal(await output("ls --sort /tree"), "/tree/a\n/tree/b\n");
  assert.equal(await output("ls /tree/a"), "/tree/a\n");
});

test("a removal tells the value that was there", async () => {
  await output("set /gone 1");
  assert.equal(await output("rm /gone"), "PrevNode.Value: 1\n");
  await output("mkdir /gone");
  assert.equal(await output("rmdir /gone"), "");
});

test("what a server refuses is exit code 4, whatever the format", async () => {
  const { code, stdout, stderr } = await run("-o json get /none");
  assert.deepEqual([code, stdout], [4, ""]);
  assert.match(stderr, /^Error: {2}100: Key not found \(\/none\) \[\d+\]\n$/);
});

test("a watch prints what happens from an index on, and passes directories over", async () => {
  const extended = await output("-o extended set /w/a 1");
  const index = Number(/Index: (\d+)\n\n/.exec(extended)?.[1]);
  await output("mkdir /w/d");
  await output("set /w/b 2");
  assert.equal(await output(`watch -r --after-index ${index} /w`), "[set] /w/b\n2\n");
  const interrupt = new AbortController();
  const printed: string[] = [];
  const forever = await run(`watch --forever --recursive --after-index ${index - 1} /w`, {
    signal: interrupt.signal,
    onOutput: (text) => {
      printed.push(text);
      if (text === "2\n") interrupt.abort(new Fault("interrupted", "the test has seen enough"));
    },
  });
  assert.deepEqual([forever.code, forever.stderr], [0, ""]);
  assert.deepEqual(printed, ["[set] /w/a\n", "1\n", "[set] /w/b\n", "2\n"]);
});

test("exec-watch starts a program for each change, with the change in its environment", async () => {
  const extended = await output("-o extended set /run/a 1");
  const index = Number(/Index: (\d+)\n\n/.exec(extended)?.[1]);
  await output("mkdir /run/d");
  await output("rm /run/a");
  for (const words of [
    ["/run", "--", "prog", "-x", "word"],
    ["prog", "-x", "word", "/run"],
  ]) {
    const interrupt = new AbortController();
    const started: string[] = [];
    const { code, stderr } = await run(["exec-watch", "-r", "--after-index", String(index - 1), ...words], {
      signal: interrupt.signal,
      outside: {
        startProgram: async (program, variables) => {
          const { ETCD_WATCH_ACTION, ETCD_WATCH_KEY, ETCD_WATCH_VALUE, ETCD_WATCH_MODIFIED_INDEX } =
            variables;
          started.push(
            [
              program.join(" "),
              ETCD_WATCH_ACTION,
              ETCD_WATCH_KEY,
              ETCD_WATCH_VALUE,
              ETCD_WATCH_MODIFIED_INDEX,
            ].join(),
          );
          if (started.length === 2) interrupt.abort(new Fault("interrupted", "the test has seen enough"));
        },
      },
    });
    assert.deepEqual([code, stderr], [0, "Ignored dir /run/d change\n"]);
    assert.deepEqual(started, [
      `prog -x word,set,/run/a,1,${index}`,
      `prog -x word,delete,/run/a,,${index + 2}`,
    ]);
  }
});

test("a program that cannot start ends exec-watch", async () => {
  const extended = await output("-o extended set /run/b 1");
  const index = Number(/Index: (\d+)\n\n/.exec(extended)?.[1]);
  const { code, stderr } = await run(`exec-watch --after-index ${index - 1} /run/b -- nothing`, {
    outside: {
      startProgram: async () =>
        await Promise.reject(new Fault("cannot-start", "cannot start nothing: ENOENT")),
    },
  });
  assert.deepEqual([code, stderr], [1, "cannot start nothing: ENOENT\n"]);
});

test("the newest name of the endpoints counts, and a scheme may be left out", async () => {
  await output("set /where here");
  const nowhere = "http://127.0.0.1:1";
  const bare = server.endpoint.replace("http://", "");
  for (const [words, variables] of [
    [["--endpoint", bare], {}],
    [["-C", server.endpoint], {}],
    [[], { ETCDCTL_PEERS: bare }],
    [["--peers", nowhere], { ETCDCTL_ENDPOINT: bare }],
    [["--endpoint", nowhere], { ETCDCTL_ENDPOINTS: server.endpoint }],
    [["--endpoints", `${nowhere},${server.endpoint}`], { ETCDCTL_ENDPOINTS: nowhere }],
  ] as const) {
    assert.equal(await output([...words, "get", "/where"], { variables }), "here\n", words.join(" "));
  }
});

test("DNS names endpoints; those without TLS count only when asked", async () => {
  await output("set /where here");
  const findService = async (name: string) => {
    if (name !== "_etcd-client._tcp.example.org") throw new Error(`lookup ${name}: no such host`);
    return [server.endpoint.replace("http://", "")];
  };
  const found = ["-D", "example.org", "--insecure-discovery", "get", "/where"];
  assert.equal(await output(found, { outside: { findService } }), "here\n");
  const strict = await run(["-D", "example.org", "get", "/where"], { outside: { findService } });
  assert.equal(
    strict.stderr,
    `ignoring discovered insecure endpoint "${server.endpoint}"\nError:  client: no endpoints available\n`,
  );
  const nothing = await run("-D nowhere.example get /where");
  assert.deepEqual(
    [nothing.code, nothing.stderr],
    [
      1,
      "dns lookup errors: lookup _etcd-client-ssl._tcp.nowhere.example: no such host and lookup _etcd-client._tcp.nowhere.example: no such host\n",
    ],
  );
});

test("only version 2 of the API is spoken", async () => {
  const endpoints = { ETCDCTL_ENDPOINTS: server.endpoint };
  assert.equal((await run("ls", { variables: { ...endpoints, ETCDCTL_API: "2" } })).code, 0);
  const { code, stderr } = await run("ls", { variables: { ...endpoints, ETCDCTL_API: "3" } });
  assert.equal(code, 1);
  assert.match(stderr, /^unsupported API version 3: /);
});

test("wrong flags are exit code 1 and one sentence; backup says what to use instead", async () => {
  for (const line of [
    "ls --nope",
    "set --ttl x /a b",
    "watch --after-index x /a",
    "--timeout soon ls",
    "backup",
    "import",
  ]) {
    const { code, stdout, stderr } = await run(line);
    assert.deepEqual([code, stdout], [1, ""], line);
    assert.notEqual(stderr, "");
  }
  const backup = await run("backup --data-dir=/var/lib/etcd --backup-dir /tmp/b --with-v3");
  assert.equal(backup.code, 1);
  assert.match(backup.stderr, /save the store, at any time, with: argosy store backup FILE\n$/);
});
