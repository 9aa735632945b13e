import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { openMemoryStore } from "../store/memory.ts";
import { maxOperationsAlone, type Outcome, type Store } from "../store/store.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import { planGroup, type Ground } from "./group.ts";
import type { Answer, Watch } from "./keyspace.ts";
import { openLocalKeyspace, type LocalKeyspace } from "./local-keyspace.ts";
import type { KeysEvent, WriteOperation } from "./model.ts";
import { Tree } from "./tree.ts";

const open = new AbortController().signal;

/** A gateway over a store in memory, whose commits can be made to fail. */
class Site {
  readonly env = new FakeEnv();
  readonly keyspace: LocalKeyspace;
  /** How many operations each transaction had. */
  readonly commits: number[] = [];
  /** What becomes of a commit that the store has carried out, or is about to. */
  before: (operations: number) => void = () => undefined;
  after: () => void = () => undefined;
  readonly #end = new AbortController();
  readonly #store: Store;

  constructor() {
    const store = openMemoryStore(this.env);
    this.#store = store;
    const watched: Store = {
      read: (range, options) => store.read(range, options),
      watch: (range, after, signal) => store.watch(range, after, signal),
      grantLease: (ttlMs) => store.grantLease(ttlMs),
      renewLease: (id) => store.renewLease(id),
      revokeLease: (id) => store.revokeLease(id),
      compact: (revision) => store.compact(revision),
      close: () => store.close(),
      commit: async (transaction): Promise<Outcome> => {
        this.before(transaction.then.length);
        const outcome = await store.commit(transaction);
        this.commits.push(transaction.then.length);
        this.after();
        return outcome;
      },
    };
    this.keyspace = openLocalKeyspace(this.env, watched, this.#end.signal);
  }

  async start(): Promise<this> {
    await this.env.settle();
    this.commits.length = 0;
    return this;
  }

  /** Writes that all come at the same moment. */
  async writeTogether(operations: readonly WriteOperation[]): Promise<(Answer | KeysError)[]> {
    return Promise.all(operations.map(async (operation) => this.keyspace.write(operation, open)));
  }

  async stream(path: string): Promise<Watch> {
    const wanted = { do: "watch", path, recursive: true, stream: true, waitIndex: 0 } as const;
    const watch = await this.keyspace.watch(wanted, open);
    assert.ok(!isKeysError(watch));
    return watch;
  }

  async stop(): Promise<void> {
    this.#end.abort(new Error("the test is over"));
    await this.keyspace.ended;
    await this.#store.close();
  }
}

function set(path: string, value: string): WriteOperation {
  return { do: "set", path, value, deadlineMs: undefined, directory: false, refresh: false };
}

function remove(path: string): WriteOperation {
  return { do: "delete", path, directory: false, recursive: true };
}

function ground(seen: Tree, lastIndex: number): Ground {
  return { seen, lastIndex, underWay: [], nowMs: 0 };
}

/** What a stream was told so far. */
async function told(env: FakeEnv, watch: Watch): Promise<KeysEvent[]> {
  const events: KeysEvent[] = [];
  for (;;) {
    const enough = new AbortController();
    const next = watch.next(enough.signal).catch(() => undefined);
    await env.settle();
    enough.abort(new Error("there are no more"));
    const event = await next;
    if (event === undefined) return events;
    events.push(event);
  }
}

const path = fc
  .array(fc.constantFrom("a", "b", "_c"), { minLength: 1, maxLength: 3 })
  .map((parts) => `/${parts.join("/")}`);
const value = fc.constantFrom("", "1", "2");
const deadlineMs = fc.constantFrom(undefined, 2_000_000_000_000);
const condition = fc.record({ value, index: fc.bigInt(0n, 10n) });
const [directory, refresh, inOrder, recursive] = [fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()];
const content = { path, value, deadlineMs };
const operation: fc.Arbitrary<WriteOperation> = fc.oneof(
  fc.record({ do: fc.constant("set" as const), ...content, directory, refresh }),
  fc.record({ do: fc.constant("create" as const), ...content, directory, inOrder }),
  fc.record({ do: fc.constant("update" as const), ...content, refresh }),
  fc.record({ do: fc.constant("compareAndSwap" as const), ...content, refresh, condition }),
  fc.record({ do: fc.constant("delete" as const), path, directory, recursive }),
  fc.record({ do: fc.constant("compareAndDelete" as const), path, condition }),
);

test("writes that come together end as if they came one after the other, for clients and for watchers", async () => {
  const paths = ["/", "/a", "/a/b"];
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 2, maxLength: 25 }), async (operations) => {
      const [together, alone] = [await new Site().start(), await new Site().start()];
      const streams = await Promise.all(
        [together, alone].map(async (site) => Promise.all(paths.map(async (top) => site.stream(top)))),
      );
      const answers = await together.writeTogether(operations);
      for (const [at, next] of operations.entries()) {
        assert.deepEqual(answers[at], await alone.keyspace.write(next, open));
      }
      const everything = { do: "read", path: "/", recursive: true, sorted: true, quorum: true } as const;
      assert.deepEqual(
        await together.keyspace.read(everything, open),
        await alone.keyspace.read(everything, open),
      );
      for (const at of paths.keys()) {
        const [one, other] = streams.map((watches) => watches[at]);
        assert.ok(one !== undefined && other !== undefined);
        assert.deepEqual(await told(together.env, one), await told(alone.env, other));
      }
      await Promise.all([together.stop(), alone.stop()]);
    }),
    { numRuns: 25 },
  );
});

test("writes that wait for the store go together, as many as fit", async () => {
  const site = await new Site().start();
  const operations = Array.from({ length: 200 }, (_, at) => set(`/k${at}`, "1"));
  const answers = await site.writeTogether(operations);
  assert.deepEqual(
    answers.map((answer) => !isKeysError(answer) && answer.index),
    operations.map((_, at) => at + 1),
  );
  // The first two do not wait for others; each write takes one operation, and each transaction two more.
  assert.deepEqual(site.commits, [3, 3, 127, 75]);
  await site.stop();
});

test("values that are large together go apart", () => {
  const writes = ["1", "2", "3"].map((name) => ({
    operation: set(`/${name}`, "x".repeat(60_000)),
    writer: name,
  }));
  assert.equal(planGroup(ground(new Tree(), 0), writes, "t").answers.length, 2);
});

test("what is removed is not written in the same transaction, nor is what lies in it", () => {
  const tree = new Tree();
  const common = { createdIndex: 1, modifiedIndex: 1, deadlineMs: undefined };
  tree.put({ path: "/d", value: undefined, ...common });
  tree.put({ path: "/d/f", value: "1", ...common });
  tree.put({ path: "/e", value: "1", ...common });
  const together = (...operations: WriteOperation[]): number =>
    planGroup(
      ground(tree, 1),
      operations.map((next) => ({ operation: next, writer: "w" })),
      "t",
    ).answers.length;
  assert.equal(together(remove("/d"), set("/d/g", "1")), 1);
  assert.equal(together(set("/d/g", "1"), remove("/d")), 1);
  assert.equal(together(remove("/d/f"), remove("/d")), 1);
  assert.equal(together(remove("/d"), remove("/d")), 1);
  assert.equal(together(remove("/d"), remove("/e"), set("/dd", "1")), 3);
});

test("a write that is too much at once is refused, and does not keep others from going", async () => {
  const site = await new Site().start();
  const deep = `/${Array.from({ length: maxOperationsAlone }, () => "d").join("/")}`;
  const answers = await site.writeTogether([set("/a", "1"), set(deep, "1"), set("/b", "1")]);
  assert.deepEqual(
    answers.map((answer) => (isKeysError(answer) ? answer.errorCode : answer.index)),
    [1, 209, 2],
  );
  await site.stop();
});

test("writes that lost their common answer are each carried out once", async () => {
  const site = await new Site().start();
  let commits = 0;
  site.after = () => {
    // The first two go alone; the others wait for one of them and then go together.
    if (++commits === 3) throw new Fault("store-unavailable", "Cannot commit, the answer was lost.");
  };
  const job: WriteOperation = {
    do: "create",
    path: "/queue",
    value: "job",
    deadlineMs: undefined,
    directory: false,
    inOrder: true,
  };
  const writing = site.writeTogether([job, job, job, job]);
  await site.env.advance(1_000);
  const names = (await writing).map((answer) => !isKeysError(answer) && answer.event.node.key);
  assert.deepEqual(
    names,
    [1, 2, 3, 4].map((index) => `/queue/${String(index).padStart(20, "0")}`),
  );
  assert.equal(site.commits.length, 3);
  await site.stop();
});

test("a store that takes less at once gets writes one by one, and only what is too large fails", async () => {
  const site = await new Site().start();
  site.before = (operations) => {
    if (operations > 3) throw new Fault("store-too-large", "Cannot write, too large.");
  };
  const answers = await site.writeTogether([set("/a", "1"), set("/x/y", "1"), set("/b", "1")]);
  assert.deepEqual(
    answers.map((answer) => (isKeysError(answer) ? answer.errorCode : answer.index)),
    [1, 300, 2],
  );
  // The last one was planned on what was refused, and does not hold at first.
  assert.deepEqual(site.commits, [3, 3, 3]);
  await site.stop();
});

test("a write whose client goes away does not keep the others waiting", async () => {
  const site = await new Site().start();
  const gone = new AbortController();
  const first = site.keyspace.write(set("/a", "1"), open);
  const given = site.keyspace.write(set("/b", "1"), gone.signal);
  const last = site.keyspace.write(set("/c", "1"), open);
  gone.abort(new Error("the client went away"));
  await assert.rejects(given, /went away/);
  for (const answer of await Promise.all([first, last])) assert.ok(!isKeysError(answer));
  await site.stop();
});

test("writes without a signal end when the store does not answer in time, and when the keyspace is stopped", async () => {
  const site = await new Site().start();
  site.before = () => {
    throw new Fault("store-unavailable", "Cannot commit, nobody answers.");
  };
  const late = site.keyspace.write(set("/a", "1"));
  await site.env.advance(8_000);
  const cut = site.keyspace.write(set("/b", "1"));
  await site.stop();
  await site.env.settle();
  const causes = (await Promise.all([late, cut])).map((answer) => isKeysError(answer) && answer.cause);
  assert.deepEqual(causes, ["etcdserver: request timed out", "etcdserver: server stopped"]);
});
