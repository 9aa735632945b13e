import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FleetClient } from "./api-client.ts";
import { serveFleetApi } from "./api-listener.ts";
import { fleetApi } from "./api-server.ts";
import { transportTo } from "./api-transport.ts";
import { FakeRegistry } from "./fake-registry.ts";

const quiet = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} };
const noTls = { keyFile: "", certFile: "", caFile: "" };
const clock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise<void>(() => {}) };

test("client and server speak over a unix socket and over TCP", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-transport-"));
  const stop = new AbortController();
  const registry = new FakeRegistry();
  const id = "1".repeat(32);
  for (let count = 0; count < 5; count++) registry.setMachine({ id: `${count}`.repeat(32) });
  const handler = fleetApi(registry, {
    version: "1.0.0",
    tokenLimit: 2,
    clock,
    machines: {
      local: {
        id,
        status: async () => ({ text: "running\n", exitCode: 0 }),
        journal: () => new Blob(["zwölf\n"]).stream(),
      },
      fetchMachine: undefined,
    },
  });
  const sockets = [{ path: join(folder, "fleet.sock") }, { host: "127.0.0.1", port: 0 }];
  const { endpoints, ended } = await serveFleetApi(handler, sockets, quiet, stop.signal);
  try {
    for (const [index, endpoint] of endpoints.entries()) {
      const transport = transportTo(endpoint, noTls);
      const asked: string[] = [];
      const client = new FleetClient(async (...request) => {
        asked.push(request[1]);
        return await transport(...request);
      });
      const name = `a${index}.service`;
      assert.equal((await client.machines()).length, 5);
      assert.deepEqual(asked, ["/fleet/v1/machines"], "all in one page, though others get two");
      assert.equal(await client.unit(name), undefined);
      await client.putUnit(name, [{ section: "Service", name: "ExecStart", value: "/bin/true" }], "launched");
      assert.equal((await client.unit(name))?.desiredState, "launched");
      registry.setPlacement(name, id);
      assert.deepEqual(await client.status(name), { text: "running\n", exitCode: 0 });
      let journal = "";
      const options = { lines: 10, follow: false, output: "short" };
      for await (const piece of client.journal(name, options, new AbortController().signal)) journal += piece;
      assert.equal(journal, "zwölf\n");
      const interrupt = new AbortController();
      const waiting = client.changes([name], registry.view().revision + 10, interrupt.signal);
      interrupt.abort(new Error("enough"));
      await assert.rejects(waiting, { message: "enough" });
      await assert.rejects(client.setTarget("b.service", "loaded"), {
        code: "api-409",
        message: "googleapi: Error 409: unit does not exist and options field empty",
      });
      assert.equal(await client.destroy(name), true);
      assert.equal(await client.destroy(name), false);
    }
  } finally {
    stop.abort();
    await ended;
    await rm(folder, { recursive: true });
  }
});

test("a client that stops reading a journal ends journalctl on the machine", async () => {
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  const registry = new FakeRegistry();
  const id = "1".repeat(32);
  registry.setState({ unit: "a.service", machine: id });
  const handler = fleetApi(registry, {
    version: "1.0.0",
    clock,
    machines: {
      local: {
        id,
        status: async () => ({ text: "", exitCode: 0 }),
        journal: (_unit, _options, signal) => {
          signal.addEventListener("abort", () => ended.resolve(), { once: true });
          return new ReadableStream({
            start: (controller) => controller.enqueue(new TextEncoder().encode("one\n")),
          });
        },
      },
      fetchMachine: undefined,
    },
  });
  const serving = await serveFleetApi(handler, [{ host: "127.0.0.1", port: 0 }], quiet, stop.signal);
  try {
    const client = new FleetClient(transportTo(serving.endpoints[0] ?? "", noTls));
    const interrupt = new AbortController();
    const options = { lines: 1, follow: true, output: "short" };
    await assert.rejects(async () => {
      for await (const line of client.journal("a.service", options, interrupt.signal)) {
        assert.equal(line, "one\n");
        interrupt.abort();
      }
    });
    await ended.promise;
  } finally {
    stop.abort();
    await serving.ended;
  }
});

test("a thousand units with long names are asked for in one request", async () => {
  const stop = new AbortController();
  const handler = fleetApi(new FakeRegistry(), { version: "1.0.0", clock });
  const serving = await serveFleetApi(handler, [{ host: "127.0.0.1", port: 0 }], quiet, stop.signal);
  try {
    const client = new FleetClient(transportTo(serving.endpoints[0] ?? "", noTls));
    const names = Array.from({ length: 1000 }, (_, index) => `${"long".repeat(50)}@${index}.service`);
    const changes = await client.changes(names, 0);
    assert.deepEqual(
      changes?.units.map(({ name }) => name),
      names,
    );
  } finally {
    stop.abort();
    await serving.ended;
  }
});

test("a client that stops waiting for changes ends the request on the machine", async () => {
  const stop = new AbortController();
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const api = fleetApi(new FakeRegistry(), { version: "1.0.0", clock });
  const handler = async (request: Request): Promise<Response> => {
    request.signal.addEventListener("abort", () => ended.resolve(), { once: true });
    const answer = api(request);
    setImmediate(begun.resolve);
    return await answer;
  };
  const serving = await serveFleetApi(handler, [{ host: "127.0.0.1", port: 0 }], quiet, stop.signal);
  try {
    const client = new FleetClient(transportTo(serving.endpoints[0] ?? "", noTls));
    const interrupt = new AbortController();
    const waiting = client.changes(["a.service"], 1000, interrupt.signal);
    await begun.promise;
    interrupt.abort(new Error("enough"));
    await assert.rejects(waiting, { message: "enough" });
    await ended.promise;
  } finally {
    stop.abort();
    await serving.ended;
  }
});

test("an answer that breaks off is told as an endpoint that cannot be reached", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Length": "100" });
    response.write("{");
    setImmediate(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const client = new FleetClient(transportTo(`http://127.0.0.1:${port}`, noTls));
    await assert.rejects(client.units(), {
      code: "endpoint-unreachable",
      message: /: the connection was cut off\./,
    });
    const options = { lines: 1, follow: true, output: "short" };
    await assert.rejects(
      async () => {
        for await (const piece of client.journal("a.service", options, new AbortController().signal)) {
          assert.equal(piece, "{");
        }
      },
      { code: "endpoint-unreachable" },
    );
  } finally {
    server.close();
  }
});

test("what is no fleet API is told so", async () => {
  for (const text of ["<html>", "[]", "1", '{"units":{}}', ""]) {
    const client = new FleetClient(async () => new Response(text, { status: 200 }));
    await assert.rejects(client.units(), { code: "bad-answer", message: /is not a fleet API/ }, text);
  }
});

test("an endpoint that cannot be reached is named in one sentence with the next step", async () => {
  const client = new FleetClient(transportTo("unix:///nowhere/fleet.sock", noTls));
  await assert.rejects(client.units(), {
    code: "endpoint-unreachable",
    message:
      "Cannot reach the fleet API at unix:///nowhere/fleet.sock: there is no such socket. " +
      "Check fleet.socket and fleet.service there, or name another endpoint with --endpoint or FLEETCTL_ENDPOINT.",
  });
});

test("endpoints that are none are refused", () => {
  const rows: readonly [string, RegExp][] = [
    ["fleet", /^URL scheme undefined$/],
    ["unix://var/run/fleet.sock", /^unable to connect to host "var" with scheme "unix"/],
    ["ftp://a", /^URL scheme "ftp" is not one of/],
    ["http://", /is not a URL such as/],
  ];
  for (const [endpoint, message] of rows) assert.throws(() => transportTo(endpoint, noTls), { message });
  assert.throws(() => transportTo("https://a", { ...noTls, caFile: "/nowhere" }), {
    code: "file-unreadable",
  });
});
