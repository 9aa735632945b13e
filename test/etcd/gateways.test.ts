import assert from "node:assert/strict";
import { test } from "node:test";
import { startOver } from "../conformance/server-process.ts";
import { startEtcd } from "./etcd-process.ts";

/** Per gateway. */
const increments = 40;
const jobs = 40;

interface Answer {
  readonly status: number;
  readonly body: {
    readonly errorCode?: number;
    readonly node?: { readonly key: string; readonly value: string; readonly modifiedIndex: number };
  };
}

test("three gateways that write at once lose no update, break no compare and leave no gap", async () => {
  await using etcd = await startEtcd(3);
  await using servers = new AsyncDisposableStack();
  const started = await Promise.all(
    // Each prefers another member, as on machines of their own.
    etcd.endpoints.map((_, first) =>
      startOver([...etcd.endpoints.slice(first), ...etcd.endpoints.slice(0, first)]),
    ),
  );
  const origins = started.map((server) => servers.use(server).origin);
  const ask = async (origin: string, method: string, path: string): Promise<Answer> => {
    const response = await fetch(`${origin}/v2/keys${path}`, { method });
    return { status: response.status, body: (await response.json()) as Answer["body"] };
  };
  const [one = ""] = origins;
  const begin = await ask(one, "PUT", "/counter?value=0");
  /** The index of every write that was carried out. */
  const indices = [begin.body.node?.modifiedIndex ?? 0];
  // Each reads from a copy of its own: until it has the first write, there is nothing to count up.
  for (const origin of origins) await ask(origin, "GET", `/counter?wait=true&waitIndex=${indices[0]}`);
  const increment = async (origin: string): Promise<void> => {
    for (;;) {
      const before = (await ask(origin, "GET", "/counter")).body.node;
      assert.ok(before);
      const value = Number(before.value) + 1;
      const { status, body } = await ask(
        origin,
        "PUT",
        `/counter?value=${value}&prevIndex=${before.modifiedIndex}`,
      );
      if (status === 200) return void indices.push(body.node?.modifiedIndex ?? 0);
      assert.equal(body.errorCode, 101, JSON.stringify(body));
    }
  };
  const names: string[] = [];
  const post = async (origin: string): Promise<void> => {
    const { status, body } = await ask(origin, "POST", "/queue?value=job");
    assert.equal(status, 201, JSON.stringify(body));
    names.push(body.node?.key ?? "");
    indices.push(body.node?.modifiedIndex ?? 0);
  };
  const repeat = async (times: number, work: () => Promise<void>): Promise<void> => {
    for (let time = 0; time < times; time++) await work();
  };
  await Promise.all(
    origins.flatMap((origin) => [
      repeat(increments, () => increment(origin)),
      repeat(jobs, () => post(origin)),
    ]),
  );
  for (const origin of origins) {
    const { body } = await ask(origin, "GET", "/counter?quorum=true");
    assert.equal(body.node?.value, String(origins.length * increments));
  }
  assert.equal(new Set(names).size, origins.length * jobs, "in-order names are different");
  indices.sort((a, b) => a - b);
  const [first = 0] = indices;
  const withoutGap = Array.from({ length: 1 + origins.length * (increments + jobs) }, (_, at) => first + at);
  assert.deepEqual(indices, withoutGap);
});
