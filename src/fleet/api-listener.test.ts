import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type ListenOn, serveFleetApi } from "./api-listener.ts";
import { fleetApi } from "./api-server.ts";
import { FakeRegistry } from "./fake-registry.ts";

const quiet = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} };
const stillClock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise<void>(() => {}) };

async function serving(sockets: readonly ListenOn[], check: (endpoints: readonly string[]) => Promise<void>) {
  const stop = new AbortController();
  const handler = fleetApi(new FakeRegistry(), { version: "1.0.0", clock: stillClock });
  const { endpoints, ended } = await serveFleetApi(handler, sockets, quiet, stop.signal);
  try {
    await check(endpoints);
  } finally {
    stop.abort();
    await ended;
  }
}

async function put(
  endpoint: string,
  bytes: number,
  announced: boolean,
): Promise<{ status: number | undefined; text: string }> {
  return await new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json", ...(announced ? { "Content-Length": bytes } : {}) };
    const sent = request(
      `${endpoint}/fleet/v1/units/a.service`,
      { method: "PUT", headers, agent: false },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode, text }));
      },
    );
    sent.on("error", reject);
    sent.end(Buffer.alloc(bytes, "x"));
  });
}

test("a body of 10 MB is answered with 413 and the server goes on", async () => {
  await serving([{ host: "127.0.0.1", port: 0 }], async ([endpoint = ""]) => {
    for (const announced of [true, false]) {
      const answer = await put(endpoint, 10_000_000, announced);
      assert.equal(answer.status, 413);
      assert.match(
        answer.text,
        /"message":"the request body is larger than 1048576 bytes; send a smaller unit"/,
      );
    }
    assert.equal((await put(endpoint, 3, true)).status, 400);
  });
});

test("with 1,000 idle connections the API answers as before", async () => {
  await serving([{ host: "127.0.0.1", port: 0 }], async ([endpoint = ""]) => {
    const port = Number(endpoint.split(":").at(-1));
    const idle = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        return socket;
      }),
    );
    try {
      for (let count = 0; count < 20; count++) assert.equal((await put(endpoint, 3, true)).status, 400);
      assert.equal(idle.filter((socket) => socket.destroyed || socket.readableEnded).length, 0);
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });
});

test("several sockets are served, and a stale socket file is replaced", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-listener-"));
  try {
    const path = join(folder, "fleet.sock");
    for (let round = 0; round < 2; round++) {
      await serving([{ path }, { host: "127.0.0.1", port: 0 }], async (endpoints) => {
        assert.equal(endpoints[0], `unix://${path}`);
        const status = await new Promise((resolve, reject) => {
          const sent = request({ socketPath: path, path: "/fleet/v1/units", agent: false }, (response) => {
            response.resume();
            response.on("end", () => resolve(response.statusCode));
          });
          sent.on("error", reject);
          sent.end();
        });
        assert.equal(status, 200);
        await assert.rejects(
          serveFleetApi(
            async () => new Response(),
            [{ host: "127.0.0.1", port: Number(endpoints[1]?.split(":").at(-1)) }],
            quiet,
            new AbortController().signal,
          ),
          { code: "cannot-listen" },
        );
      });
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
