import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { serveFleetApi } from "./api-listener.ts";
import { fleetApi } from "./api-server.ts";
import { FakeRegistry } from "./fake-registry.ts";

const stillClock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise<void>(() => {}) };
const unit = JSON.stringify({ options: [{ section: "Service", name: "ExecStart", value: "/bin/true" }] });

/** Sends requests as they stand over one connection, each when the one before it is answered, and gives the answers. */
async function exchange(
  requests: readonly string[],
): Promise<{ answers: string[]; logged: string[]; debugged: string[] }> {
  const stop = new AbortController();
  const logged: string[] = [];
  const keep = (sentence: string): void => void logged.push(sentence);
  const debugged: string[] = [];
  const log = { debug: (line: string) => void debugged.push(line), info: keep, warning: keep, error: keep };
  const handler = fleetApi(new FakeRegistry(), { version: "1.0.0", clock: stillClock });
  const serving = await serveFleetApi(handler, [{ host: "127.0.0.1", port: 0 }], log, stop.signal);
  const answers: string[] = [];
  try {
    const socket = connect(Number(serving.endpoints[0]?.split(":").at(-1)), "127.0.0.1");
    socket.setEncoding("utf8");
    const chunks: AsyncIterator<string> = socket[Symbol.asyncIterator]();
    for (const text of requests) {
      socket.write(text);
      let answer = "";
      while (!isWhole(answer, text.startsWith("HEAD "))) {
        const { value, done } = await chunks.next();
        assert.notEqual(done, true, `the connection ended before the answer to ${text}`);
        answer += value;
      }
      answers.push(answer);
    }
    socket.destroy();
    return { answers, logged, debugged };
  } finally {
    stop.abort();
    await serving.ended;
  }
}

function isWhole(answer: string, bodyless: boolean): boolean {
  const [head = "", body] = answer.split(/\r\n\r\n(.*)/s);
  if (body === undefined) return false;
  if (bodyless || head.startsWith("HTTP/1.1 204")) return true;
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  return length === undefined ? body.endsWith("0\r\n\r\n") : Buffer.byteLength(body) >= Number(length);
}

function request(method: string, path: string, headers: readonly string[] = [], body = ""): string {
  const length = body === "" ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return [`${method} ${path} HTTP/1.1`, "Host: domain-sock", ...headers, ...length, "", body].join("\r\n");
}

const last = (): string => request("GET", "/fleet/v1/machines");
const json = "Content-Type: application/json";

test("on the wire: which answers have a body and a content type", async () => {
  const { answers, logged } = await exchange([
    request("PUT", "/fleet/v1/units/a.service", [json], unit),
    request("PUT", "/fleet/v1/units/a.service?alt=json", [json], '{"desiredState":"loaded"}'),
    request("PATCH", "/fleet/v1/machines", [], "[]"),
    request("DELETE", "/fleet/v1/units/a.service?alt=json"),
    request("HEAD", "/fleet/v1/units"),
    last(),
  ]);
  const seen = answers.map((answer) => {
    const [head = "", body] = answer.split("\r\n\r\n");
    const type = /^content-type: (.*)$/im.exec(head)?.[1];
    return [Number(head.slice(9, 12)), type, /^server: fleetd\/1\.0\.0$/im.test(head), body];
  });
  assert.deepEqual(seen.slice(1), [
    [204, undefined, true, ""],
    [204, "application/json", true, ""],
    [204, undefined, true, ""],
    [405, "application/json", true, ""],
    [200, "application/json", true, "{}"],
  ]);
  assert.deepEqual(seen[0]?.slice(0, 3), [201, undefined, true]);
  assert.deepEqual(logged, []);
});

test("a connection goes on after every refusal", async () => {
  const rows: readonly [string, number, string][] = [
    [
      request("PUT", "/fleet/v1/units/a.service", [json, "Content-Type: text/html"], unit),
      415,
      "expected 1 Content-Type, got 2",
    ],
    [request("PUT", "/fleet/v1/units/a.service", [], unit), 415, "expected 1 Content-Type, got 0"],
    [
      request("PUT", "/fleet/v1/units/a.service", ["Content-Type: text/json"], unit),
      415,
      "only acceptable Content-Type is application/json",
    ],
    [request("PUT", "/fleet/v1/units/a.service", [json]), 400, "unable to decode body: EOF"],
    [request("POST", "/fleet/v1/units", [json], unit), 405, "only GET supported against this resource"],
    [request("PUT", "/fleet/v1/elsewhere", [json], unit), 404, ""],
    [request("OPTIONS", "/fleet/v1/machines"), 405, "only GET and PATCH supported against this resource"],
    [request("PUT", "/fleet/v1/units/a%2Fb.service", [json], unit), 404, ""],
    [
      request("PUT", "/fleet/v1/units/a%20b.service", [json], unit),
      400,
      "invalid character ' ' in unit name",
    ],
    [request("PUT", "/fleet/v1/units/a%zz.service", [json], unit), 400, "invalid character '%' in unit name"],
    [request("PUT", "/fleet/v1/units/a+b.service", [json], unit), 400, "invalid character '+' in unit name"],
    [request("GET", "/fleet/v1/machines?nextPageToken=%zz"), 400, "illegal base64 data at input byte 0"],
    [
      request("GET", "/fleet/v1/machines").replace("domain-sock", "a b"),
      400,
      "the path or the Host header of the request is not valid",
    ],
  ];
  const { answers, logged } = await exchange([...rows.map(([text]) => text), last()]);
  for (const [index, [text, code, message]] of rows.entries()) {
    const [, body = ""] = (answers[index] ?? "").split("\r\n\r\n");
    assert.deepEqual(JSON.parse(body), { error: { code, message } }, text);
  }
  assert.match(answers.at(-1) ?? "", /^HTTP\/1\.1 200 /);
  assert.deepEqual(logged, []);
});

test("a name with a backslash is taken as it stands and percent-encoded", async () => {
  const { answers } = await exchange([
    request("PUT", String.raw`/fleet/v1/units/a\x2db.service`, [json], unit),
    request("GET", "/fleet/v1/units/a%5Cx2db.service"),
  ]);
  assert.match(answers[0] ?? "", /^HTTP\/1\.1 201 /);
  assert.match(answers[1] ?? "", /"name":"a\\\\x2db\.service"/);
});

test("bytes that are not UTF-8 in a body disturb nothing", async () => {
  const body = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString("latin1");
  const { answers, logged } = await exchange([
    request("PUT", "/fleet/v1/units/a.service", [json], body),
    last(),
  ]);
  assert.match(answers[0] ?? "", /"code":400,"message":"unable to decode body: /);
  assert.deepEqual(logged, []);
});

test("with debug lines on, each request is one", async () => {
  const { debugged, logged } = await exchange([request("GET", "/fleet/v1/units?alt=json"), last()]);
  assert.deepEqual(debugged, ["HTTP GET /fleet/v1/units?alt=json", "HTTP GET /fleet/v1/machines"]);
  assert.deepEqual(logged, []);
});

test("a Host header without a host is taken, as from clients of a unix socket", async () => {
  const { answers } = await exchange([request("GET", "/fleet/v1/machines").replace("domain-sock", "")]);
  assert.match(answers[0] ?? "", /^HTTP\/1\.1 200 /);
});
