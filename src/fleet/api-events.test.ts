import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import { fleetApi } from "./api-server.ts";
import { EventFeed } from "./event-feed.ts";
import { type EventNote, EventWriter } from "./events.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { asDescribed } from "./openapi-check.ts";

interface Desk {
  readonly env: FakeEnv;
  readonly get: (query: string, headers?: Record<string, string>, signal?: AbortSignal) => Promise<Response>;
  readonly write: (...notes: readonly EventNote[]) => Promise<void>;
}

async function atDesk(body: (desk: Desk) => Promise<void>): Promise<void> {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const feed = new EventFeed(env, store, 1000);
  const writer = new EventWriter("1".repeat(32), () => 0, env.random);
  const api = asDescribed(fleetApi(new FakeRegistry(), { version: "1", clock: env.clock, events: feed }));
  try {
    await body({
      env,
      get: async (query, headers = {}, signal) =>
        await api(
          new Request(`http://fleet/argosy/v1/events${query}`, {
            headers,
            ...(signal === undefined ? {} : { signal }),
          }),
        ),
      write: async (...notes) => {
        await store.commit({ when: [], then: [writer.operation(notes)] });
        await env.settle();
      },
    });
  } finally {
    feed.close();
    await store.close();
  }
}

const created = (unit: string): EventNote => ({ kind: "unit.created", unit });

async function idsOf(response: Response): Promise<readonly string[]> {
  const { events } = (await response.json()) as { events: { id: string }[] };
  return events.map(({ id }) => id);
}

test("a document has the events after a cursor, the last of them, or those that pass a filter", async () => {
  await atDesk(async ({ get, write }) => {
    await write(created("a.service"), created("b.service"));
    await write({ kind: "decision.placed", unit: "a.service", machine: "1".repeat(32) });
    const all = await idsOf(await get("?follow=false"));
    assert.deepEqual(all, ["2-0", "2-1", "3-0"]);
    assert.deepEqual(await idsOf(await get("?follow=false&last=1")), ["3-0"]);
    assert.deepEqual(await idsOf(await get("?follow=false&after=2-0")), ["2-1", "3-0"]);
    assert.deepEqual(await idsOf(await get("?follow=false&after=2")), ["3-0"]);
    assert.deepEqual(await idsOf(await get("?follow=false&after=3-0", { "Last-Event-ID": "2-1" })), ["3-0"]);
    assert.deepEqual(await idsOf(await get("?follow=false&unit=a.service&kind=unit")), ["2-0"]);
    const { cursor } = (await (await get("?follow=false")).json()) as { cursor: string };
    assert.deepEqual(await idsOf(await get(`?follow=false&after=${cursor}`)), []);
  });
});

test("a cursor that another daemon gave, which read the store later, is gone on from", async () => {
  const env = new FakeEnv();
  const store = openMemoryStore(env);
  const writer = new EventWriter("1".repeat(32), () => 0, env.random);
  const tell = async (unit: string): Promise<void> => {
    await store.commit({ when: [], then: [writer.operation([created(unit)])] });
    await env.settle();
  };
  const feeds = [new EventFeed(env, store, 1000), new EventFeed(env, store, 1000)];
  const [early, late] = feeds.map((events) => {
    const api = fleetApi(new FakeRegistry(), { version: "1", clock: env.clock, events });
    return async (after: string) => {
      const url = `http://fleet/argosy/v1/events?follow=false&after=${after}`;
      return (await (await api(new Request(url))).json()) as { cursor: string; gap?: true; events: object[] };
    };
  });
  assert.ok(early !== undefined && late !== undefined);
  try {
    await tell("a.service");
    assert.equal((await early("0")).events.length, 1);
    // What is no event moves the store on, but not the daemon that follows events already.
    await store.commit({ when: [], then: [{ do: "put", key: "/elsewhere", value: "" }] });
    const { cursor } = await late("0");
    assert.deepEqual(await early(cursor), { cursor, events: [] });
    await tell("b.service");
    const [next] = (await early(cursor)).events;
    assert.ok(next !== undefined && "unit" in next && next.unit === "b.service");
    // One that no revision of this store can be is from another store: everything there is comes after it.
    const foreign = await early("1000");
    assert.deepEqual([foreign.gap, foreign.events.length], [true, 2]);
  } finally {
    for (const feed of feeds) feed.close();
    await store.close();
  }
});

test("questions that cannot be understood are refused with a sentence", async () => {
  await atDesk(async ({ get }) => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ["?after=now", /"now" is not the id of an event, such as 4711-0/],
      ["?last=-1", /last must be a number of events/],
      ["?kind=units", /there is no kind of event "units": use unit\.created/],
    ];
    for (const [query, sentence] of rows) {
      const response = await get(query);
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as { error: { message: string } };
      assert.match(error.message, sentence);
    }
  });
});

test("a stream begins at once, tells each event as it happens, and says when it is silent that it is there", async () => {
  await atDesk(async ({ env, get, write }) => {
    const response = await get("?last=0");
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    assert.equal(response.headers.get("cache-control"), "no-store");
    const reader = (response.body ?? assert.fail("no body")).getReader();
    const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
    assert.equal(await next(), ": connected\n\n");
    const first = next();
    await write(created("a.service"));
    const lines = (await first).split("\n");
    assert.deepEqual(lines.slice(0, 2), ["id: 2-0", "event: unit.created"]);
    assert.deepEqual(JSON.parse(lines[2]?.slice("data: ".length) ?? ""), {
      id: "2-0",
      at: "1970-01-01T00:00:00.000Z",
      kind: "unit.created",
      unit: "a.service",
      writer: "1".repeat(32),
    });
    assert.deepEqual(lines.slice(3), ["", ""]);
    const silence = next();
    await env.advance(20_000);
    assert.equal(await silence, ": still here\n\n");
    await reader.cancel();
  });
});

test("a long history comes in pieces as it is read, and what happens meanwhile comes behind it, each event once", async () => {
  await atDesk(async ({ get, write }) => {
    const names = Array.from({ length: 250 }, (_, index) => `u${index}.service`);
    await write(...names.slice(0, 200).map(created));
    await write(...names.slice(200).map(created));
    const readers = await Promise.all(
      ["", "", "?after=2-98"].map(async (query) =>
        ((await get(query)).body ?? assert.fail("no body")).getReader(),
      ),
    );
    await write(created("late.service"));
    const told = await Promise.all(
      readers.map(async (reader) => {
        const pieces: string[][] = [];
        while (pieces.at(-1)?.at(-1) !== "late.service") {
          const text = new TextDecoder().decode((await reader.read()).value);
          pieces.push(Array.from(text.matchAll(/"unit":"([^"]*)"/g), ([, unit]) => unit ?? ""));
        }
        await reader.cancel();
        return pieces;
      }),
    );
    const whole = [[], names.slice(0, 100), names.slice(100, 200), names.slice(200), ["late.service"]];
    assert.deepEqual(told[0], whole);
    assert.deepEqual(told[1], whole);
    assert.deepEqual(told[2]?.flat(), [...names.slice(99), "late.service"]);
  });
});

test("a stream that ends makes room for another, and more than 256 are refused", async () => {
  await atDesk(async ({ get }) => {
    const stop = new AbortController();
    const streams = await Promise.all(
      Array.from({ length: 256 }, async () => await get("", {}, stop.signal)),
    );
    assert.ok(streams.every(({ status }) => status === 200));
    const refused = await get("");
    assert.equal(refused.status, 503);
    assert.match(await refused.text(), /256 streams of events are open already/);
    stop.abort(new Error("gone"));
    const again = await get("");
    assert.equal(again.status, 200);
    await again.body?.cancel();
  });
});
