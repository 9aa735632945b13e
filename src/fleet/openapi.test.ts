import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { asDescribed, deviations, misfits } from "./openapi-check.ts";
import { apiPaths, openApiDocument } from "./openapi.ts";
import { ref, schemas } from "./openapi-schemas.ts";
import { fleetApi } from "./api-server.ts";
import { discoveryDocument, discoveryText } from "./api-discovery.ts";
import { FakeRegistry } from "./fake-registry.ts";

const clock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise<void>(() => {}) };

/** Every text behind a `$ref` of a value. */
function references(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "$ref" && typeof inner === "string" ? [inner] : references(inner),
  );
}

test("docs/openapi.json is the document that the API serves, but for the version", async () => {
  const served = await fleetApi(new FakeRegistry(), { version: "VERSION", clock })(
    new Request("http://fleet/argosy/v1/openapi.json"),
  );
  const kept: unknown = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
  assert.deepEqual(await served.json(), kept, "write it anew: npm run openapi");
});

test("every schema that is referred to is there, and every schema is used", () => {
  const used = new Set(references(openApiDocument("1")));
  assert.deepEqual(
    [...used].toSorted(),
    Object.keys(schemas)
      .map((name) => `#/components/schemas/${name}`)
      .toSorted(),
  );
});

test("every parameter in braces is declared", () => {
  for (const [path, methods] of Object.entries(apiPaths)) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const operation of Object.values(methods)) {
      const declared = (operation.parameters ?? [])
        .filter((each) => each.in === "path")
        .map(({ name }) => name);
      assert.deepEqual(declared, inPath, path);
    }
  }
});

test("the discovery document has the length that fleet v1.0.0 sends", () => {
  assert.equal(new TextEncoder().encode(discoveryText).length, 6792);
});

test("every method of the discovery document is described", () => {
  const described = new Set(
    Object.entries(apiPaths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace("{name}", "{unitName}")}`),
    ),
  );
  for (const { methods } of Object.values(discoveryDocument.resources))
    for (const { httpMethod, path } of Object.values(methods) as { httpMethod: string; path: string }[])
      assert.ok(described.has(`${httpMethod} /fleet/v1/${path}`), `${httpMethod} ${path}`);
});

test("a value that differs from its schema in anything is noticed", () => {
  const legend = { id: "1", address: "" };
  assert.deepEqual(misfits(ref("MachineLegend"), legend, "body"), []);
  const rows: readonly (readonly [keyof typeof schemas, unknown, string])[] = [
    ["MachineLegend", { id: "1" }, "body.address is missing"],
    ["MachineLegend", { ...legend, more: 1 }, "body.more is not described"],
    ["MachineLegend", { ...legend, id: 1 }, "body.id is not text"],
    ["MachineLegend", [], "body is not an object"],
    ["Restart", { restart: 1.5 }, "body.restart is not a whole number"],
    ["Unit", { name: "a", desiredState: "odd" }, "body.desiredState is odd"],
    ["Unit", { name: "a", desiredState: "loaded", options: {} }, "body.options is not a list"],
    [
      "Unit",
      { name: "a", desiredState: "loaded", options: [{ name: 1 }] },
      "body.options[0].name is not text",
    ],
    ["Machine", { id: "1", metadata: { a: 1 } }, "body.metadata.a is not text"],
    ["Why", { ...legend }, "body.summary is missing"],
  ];
  for (const [name, value, sentence] of rows)
    assert.ok(misfits(ref(name), value, "body").includes(sentence), `${name} ${sentence}`);
});

test("an answer that is not described is noticed", () => {
  const ok = {
    method: "GET",
    path: "/fleet/v1/units",
    status: 200,
    contentType: "application/json",
    body: "{}",
  };
  assert.deepEqual(deviations(ok), []);
  assert.deepEqual(deviations({ ...ok, path: "/v1-alpha/units" }), []);
  const rows = [
    { ...ok, status: 418 },
    { ...ok, contentType: "text/html" },
    { ...ok, body: "[" },
    { ...ok, body: '{"units":[{}]}' },
    { ...ok, path: "/fleet/v1/nowhere" },
    { ...ok, method: "POST" },
    { ...ok, method: "PUT", path: "/fleet/v1/units/a.service", status: 204, body: "{}" },
  ];
  for (const row of rows) assert.equal(deviations(row).length > 0, true, JSON.stringify(row));
  const error = '{"error":{"code":404,"message":""}}';
  assert.deepEqual(deviations({ ...ok, path: "/nowhere", status: 404, body: error }), []);
});

test("every path that needs no other machine answers as it is described", async () => {
  const registry = new FakeRegistry();
  registry.setMachine({ id: "1".repeat(32), address: "10.0.0.1" });
  const api = asDescribed(fleetApi(registry, { version: "1", clock }));
  for (const [path, methods] of Object.entries(apiPaths)) {
    for (const method of Object.keys(methods)) {
      if (path.endsWith("/changes") || path.startsWith("/argosy/v1/events") || path === "/metrics") continue;
      const request = new Request(`http://fleet${path.replace("{name}", "none.service")}`, {
        method: method.toUpperCase(),
        ...(method === "get" || method === "delete"
          ? {}
          : { body: "[]", headers: { "Content-Type": "application/json" } }),
      });
      await api(request);
    }
  }
});
