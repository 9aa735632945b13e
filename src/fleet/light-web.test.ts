import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LightResponse } from "./light-web.ts";

test("an answer reads as it was made, from a text, a stream or nothing", async () => {
  const stream = (): ReadableStream<Uint8Array> => new Blob(["zw", "ölf"]).stream();
  for (const [body, text] of [
    ["zwölf", "zwölf"],
    [stream(), "zwölf"],
    [null, ""],
    [undefined, ""],
  ] as const) {
    const answer = new LightResponse(body, { status: 201, headers: { "Content-Type": "a/b" } });
    assert.equal(answer.status, 201);
    assert.equal(answer.ok, true);
    assert.equal(answer.headers.get("content-type"), "a/b");
    assert.equal(await answer.text(), text);
  }
  assert.equal(
    new LightResponse("x").headers.get("Content-Type"),
    new Response("x").headers.get("Content-Type"),
  );
  assert.equal(new LightResponse(null).body, null);
  const pieces = [];
  for await (const piece of new LightResponse("zwölf").body ?? []) pieces.push(piece);
  assert.equal(Buffer.concat(pieces).toString(), "zwölf");
});

test("the API answers over a socket with these classes in place of Node's", async () => {
  const listener = fileURLToPath(new URL("api-listener.ts", import.meta.url));
  const script = `
    const { useLightWeb } = await import(${JSON.stringify(listener.replace("api-listener", "light-web"))});
    useLightWeb();
    const { serveFleetApi } = await import(${JSON.stringify(listener)});
    const { fleetApi } = await import(${JSON.stringify(listener.replace("api-listener", "api-server"))});
    const { FakeRegistry } = await import(${JSON.stringify(listener.replace("api-listener", "fake-registry"))});
    const http = await import("node:http");
    const quiet = { debug() {}, info() {}, warning() {}, error() {} };
    const clock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise(() => {}) };
    const stop = new AbortController();
    const api = fleetApi(new FakeRegistry(), { version: "1.0.0", clock });
    const { endpoints, ended } = await serveFleetApi(api, [{ host: "127.0.0.1", port: 0 }], quiet, stop.signal);
    const ask = (method, path, body) => new Promise((resolve) => {
      const headers = body === undefined ? {} : { "Content-Type": "application/json" };
      http.request(endpoints[0] + path, { method, headers }, async (answer) => {
        let text = "";
        for await (const piece of answer) text += piece;
        resolve(answer.statusCode + " " + answer.headers["content-length"] + " " + answer.headers.server + " " + text);
      }).end(body);
    });
    const unit = JSON.stringify({ options: [{ section: "Service", name: "ExecStart", value: "/bin/true" }] });
    console.log(await ask("PUT", "/fleet/v1/units/a.service", unit));
    console.log(await ask("GET", "/fleet/v1/state/a.service"));
    console.log(await ask("HEAD", "/fleet/v1/units"));
    console.log(await ask("DELETE", "/fleet/v1/units/b.service"));
    stop.abort();
    await ended;
    process.exit(0);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "201 0 fleetd/1.0.0 ",
    "200 2 fleetd/1.0.0 {}",
    "405 undefined fleetd/1.0.0 ",
    '404 54 fleetd/1.0.0 {"error":{"code":404,"message":"unit does not exist"}}',
  ]);
});
