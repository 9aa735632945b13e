import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { startForeground } from "../differential/foreground.ts";

const streams = 40;
const writes = 400;
const valueBytes = 20_000;
/** What all streams together would have to hold if nothing were dropped is twice this, in bytes. */
const mostGrowth = 300 * 1024 * 1024;

test("streams that nobody reads cost the server little, and nobody else anything", async (context) => {
  await using server = await startForeground();
  const { hostname, port } = new URL(server.origin);
  const sockets: Socket[] = [];
  try {
    for (let count = 0; count < streams; count++) {
      const socket = connect({ host: hostname, port: Number(port) });
      sockets.push(socket);
      socket.write("GET /v2/keys/?wait=true&recursive=true&stream=true HTTP/1.1\r\nHost: a\r\n\r\n");
      // Its head has come, so it watches; from now on nobody reads it.
      await once(socket, "data");
      socket.pause();
    }
    const reader = new AbortController();
    const told = await fetch(`${server.origin}/v2/keys/?wait=true&recursive=true&stream=true`, {
      signal: reader.signal,
    });
    const lines = countLines(told, writes);
    const before = await server.memory();
    const body = new URLSearchParams({ value: "x".repeat(valueBytes) });
    for (let count = 0; count < writes; count++) {
      const answer = await fetch(`${server.origin}/v2/keys/a${count % 2}`, { method: "PUT", body });
      await answer.arrayBuffer();
      assert.ok(answer.ok);
    }
    assert.equal(await lines, writes);
    reader.abort();
    assert.ok(server.running);
    const growth = (await server.memory()) - before;
    context.diagnostic(`memory grew by ${Math.round(growth / 1024 / 1024)} MiB`);
    assert.ok(growth < mostGrowth);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

/** Reads an answer until it has had so many lines. */
async function countLines(answer: Response, wanted: number): Promise<number> {
  let lines = 0;
  for await (const piece of answer.body ?? []) {
    lines += Buffer.from(piece).toString("latin1").split("\n").length - 1;
    if (lines >= wanted) break;
  }
  return lines;
}
