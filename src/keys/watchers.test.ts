import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "./history.ts";
import { isKeysError } from "./errors.ts";
import type { Action, KeysEvent, LoggedEvent, WatchOperation } from "./model.ts";
import { Watchers, type Watcher } from "./watchers.ts";

const open = new AbortController().signal;

function watch(path: string, more: Partial<WatchOperation> = {}): WatchOperation {
  return { do: "watch", path, recursive: false, stream: true, waitIndex: 0, ...more };
}

const recursive = { recursive: true };

function event(action: Action, key: string, directory = false): KeysEvent {
  const node = { key, ...(directory && { dir: true as const }) };
  return { action, node, ...(action === "delete" && { prevNode: node }) };
}

/** The events told before `watchers` ended. */
async function told(watcher: Watcher): Promise<readonly string[]> {
  const keys: string[] = [];
  for (let next = await watcher.next(open); next !== undefined; next = await watcher.next(open)) {
    keys.push(next.node.key ?? "");
  }
  return keys;
}

interface Case {
  readonly title: string;
  readonly watch: WatchOperation;
  readonly event: KeysEvent;
  readonly removed?: readonly string[];
  /** How often a live watch is told. */
  readonly live: number;
  /** Whether a watch into the past finds it. */
  readonly past: boolean;
}

const change = event("set", "/a/b");
const hidden = event("set", "/a/_h/b");
const deletion = event("delete", "/a", true);
const removed = ["/a/b", "/a"];

const cases: readonly Case[] = [
  { title: "the key itself", watch: watch("/a/b"), event: change, live: 1, past: true },
  { title: "above, recursive", watch: watch("/a", recursive), event: change, live: 1, past: true },
  { title: "the root, recursive", watch: watch("/", recursive), event: change, live: 1, past: true },
  { title: "above, not recursive", watch: watch("/a"), event: change, live: 0, past: false },
  { title: "beside", watch: watch("/a/bc", recursive), event: change, live: 0, past: false },
  { title: "hidden below", watch: watch("/a", recursive), event: hidden, live: 0, past: true },
  { title: "inside what is hidden", watch: watch("/a/_h", recursive), event: hidden, live: 1, past: true },
  { title: "the removed directory", watch: watch("/a"), event: deletion, removed, live: 2, past: true },
  { title: "below it, there", watch: watch("/a/b"), event: deletion, removed, live: 1, past: true },
  { title: "below it, not there", watch: watch("/a/x"), event: deletion, removed, live: 0, past: true },
  { title: "a longer name", watch: watch("/ab"), event: deletion, removed, live: 0, past: true },
  { title: "above a removal", watch: watch("/", recursive), event: deletion, removed, live: 1, past: true },
];

for (const { title, watch: operation, event: happened, removed: paths = [], live, past } of cases) {
  test(`${title}: ${happened.action} of ${happened.node.key} is told ${live} times`, async () => {
    const watchers = new Watchers();
    const watcher = watchers.add(operation);
    watchers.tell(happened, 7, paths);
    watchers.endAll();
    assert.equal((await told(watcher)).length, live);
    const history = new History();
    history.add([{ index: 7, event: happened, silent: false, writer: "" }]);
    assert.equal(history.find({ ...operation, waitIndex: 7 }, 7) === happened, past);
  });
}

test("a plain watch is told once, and nothing before its index", async () => {
  const watchers = new Watchers();
  const watcher = watchers.add(watch("/k", { stream: false, waitIndex: 3 }));
  for (const index of [2, 3, 4]) watchers.tell({ ...event("set", "/k"), action: "set" }, index, []);
  assert.deepEqual(await told(watcher), ["/k"]);
});

test("a stream that is too slow keeps what waits and hears nothing more", async () => {
  const watchers = new Watchers();
  const slow = watchers.add(watch("/k"));
  for (let index = 1; index <= 150; index++) watchers.tell(event("set", "/k"), index, []);
  const ended = new AbortController();
  for (let i = 1; i <= 100; i++) assert.ok(await slow.next(open));
  watchers.tell(event("set", "/k"), 151, []);
  const more = slow.next(ended.signal);
  ended.abort(new Error("nothing came"));
  await assert.rejects(more, { message: "nothing came" });
});

test("a closed watch is forgotten", async () => {
  const watchers = new Watchers();
  const watcher = watchers.add(watch("/k"));
  watcher.close();
  watchers.tell(event("set", "/k"), 1, []);
  watcher.end();
  assert.deepEqual(await told(watcher), []);
});

test("the history ends in the middle of a record when that has grown too long, and forgets whole ones", () => {
  const history = new History();
  const logged = (index: number): LoggedEvent => ({
    index,
    event: event("set", "/k"),
    silent: false,
    writer: "",
  });
  history.add([1, 2, 3].map(logged));
  history.add(Array.from({ length: 999 }, (_, at) => logged(4 + at)));
  assert.deepEqual([history.get(2), history.get(3)?.index], [undefined, 3]);
  history.forget(3);
  assert.deepEqual([history.get(3), history.get(4)?.index], [undefined, 4]);
  history.forget(1002);
  assert.equal(history.get(700), undefined);
});

test("the past begins at the oldest event and leaves out refreshes", () => {
  const history = new History();
  assert.equal(history.find(watch("/k", { waitIndex: 1 }), 0), undefined);
  for (const index of [4, 5, 6]) {
    history.add([{ index, event: event("set", "/k"), silent: index === 4, writer: "" }]);
  }
  assert.equal(history.find(watch("/k", { waitIndex: 4 }), 6), history.get(5)?.event);
  assert.equal(history.find(watch("/k", { waitIndex: 7 }), 6), undefined);
  const gone = history.find(watch("/k", { waitIndex: 3 }), 6);
  assert.ok(gone !== undefined && isKeysError(gone));
  assert.deepEqual(
    [gone.errorCode, gone.cause, gone.index],
    [401, "the requested history has been cleared [4/3]", 6],
  );
});
