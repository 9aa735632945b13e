import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { testApi } from "./api-fixture.ts";

const one = "1".repeat(32);
const sleep101 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 101" }];
const machineOfB = [{ section: "X-Fleet", name: "MachineOf", value: "b.service" }];
const sleep102 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 102" }];

test("every step of PUT has the status and the message of fleet v1.0.0", async () => {
  const { request } = testApi();
  const put = (name: string, body: unknown, headers?: Record<string, string>) =>
    request("PUT", `/fleet/v1/units/${name}`, body, headers);
  const rows: readonly [string, unknown, Record<string, string> | undefined, number, string | undefined][] = [
    [
      "a.service",
      "{}",
      { "Content-Type": "text/html" },
      415,
      "only acceptable Content-Type is application/json",
    ],
    [
      "a.service",
      "{}",
      { "Content-Type": "application/json, text/html" },
      415,
      "expected 1 Content-Type, got 2",
    ],
    ["a.service", "", undefined, 400, "unable to decode body: EOF"],
    ["a.service", "[]", undefined, 400, "unable to decode body: the unit must be a JSON object"],
    [
      "a.service",
      { name: "b.service" },
      undefined,
      400,
      'name in URL "a.service" differs from unit name in request body "b.service"',
    ],
    ["a", {}, undefined, 400, 'unit name must contain "."'],
    ["a%20b.service", { options: sleep101 }, undefined, 400, "invalid character ' ' in unit name"],
    [
      "a.service",
      { desiredState: "launched" },
      undefined,
      409,
      "unit does not exist and options field empty",
    ],
    [
      "a.service",
      {
        options: [
          ...sleep101,
          { section: "X-Fleet", name: "MachineID", value: one },
          { section: "X-Fleet", name: "Global", value: "true" },
        ],
      },
      undefined,
      400,
      "MachineID cannot be used with Global",
    ],
    [
      "a.service",
      { options: sleep101, desiredState: "bogus" },
      undefined,
      400,
      'invalid desiredState "bogus": use inactive, loaded, launched',
    ],
    [
      "a@.service",
      { options: sleep101, desiredState: "launched" },
      undefined,
      400,
      'cannot activate template "a@.service"',
    ],
    // What is missing counts before what is wrong with the rest.
    ["a@.service", { desiredState: "bogus" }, undefined, 409, "unit does not exist and options field empty"],
    [
      "a.service",
      { options: [{ section: "X-Fleet", name: "Global", value: "1" }, ...machineOfB], desiredState: "bogus" },
      undefined,
      400,
      "Global cannot be used with Peers",
    ],
    ["a.service", { desiredState: 1 }, undefined, 400, "unable to decode body: desiredState must be text"],
    ["a.service", { options: {} }, undefined, 400, "unable to decode body: options must be a list"],
    [
      "a.service",
      { options: [[]] },
      undefined,
      400,
      "unable to decode body: each option must be a JSON object",
    ],
    [
      "a.service",
      { options: [{ value: 1 }] },
      undefined,
      400,
      "unable to decode body: section, name and value of an option must be text",
    ],
    ["a%5Cx2db.service", { Options: null }, undefined, 409, "unit does not exist and options field empty"],
    ["a%5Cx2db.service", { Options: sleep101, DesiredState: "loaded" }, undefined, 201, undefined],
    ["t@.service", { options: sleep101 }, undefined, 201, undefined],
    ["t@.service", {}, undefined, 409, "must provide DesiredState to update existing unit"],
    ["t@.service", { desiredState: "loaded" }, undefined, 400, 'cannot activate template "t@.service"'],
    ["t@.service", { desiredState: "inactive" }, undefined, 204, undefined],
    ["a.service", { options: sleep101, name: "a.service", unknown: 1 }, undefined, 201, undefined],
    ["a.service", { options: sleep101 }, undefined, 409, "must provide DesiredState to update existing unit"],
    [
      "a.service",
      { desiredState: "bogus" },
      undefined,
      400,
      'invalid desiredState "bogus": use inactive, loaded, launched',
    ],
    [
      "a.service",
      { desiredState: "launched" },
      { "Content-Type": "application/json; charset=utf-8" },
      204,
      undefined,
    ],
    ["a.service", { options: sleep101, desiredState: "loaded" }, undefined, 204, undefined],
    ["a.service", { options: sleep102 }, undefined, 201, undefined],
  ];
  for (const [name, body, headers, status, message] of rows) {
    const answer = await put(name, body, headers);
    assert.deepEqual([answer.status, answer.message], [status, message], JSON.stringify([name, body]));
  }
});

test("a PUT without a content type is refused", async () => {
  const { handler } = testApi();
  const request = new Request("http://fleet/fleet/v1/units/a.service", {
    method: "PUT",
    body: new Uint8Array([123, 125]),
  });
  const response = await handler(request);
  assert.equal(response.status, 415);
  assert.match(await response.text(), /expected 1 Content-Type, got 0/);
});

test("new options without a desired state take the unit down; a bad replacement is refused and changes nothing", async () => {
  const { request, registry } = testApi();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  assert.equal(registry.view().units.get("a.service")?.hash, "3adfef73186060afe14c40321f37c0e224085695");
  const bad = [
    { section: "X-Fleet", name: "MachineOf", value: "b.service" },
    { section: "X-Fleet", name: "Global", value: "yes" },
  ];
  const refused = await request("PUT", "/fleet/v1/units/a.service", {
    options: bad,
    desiredState: "launched",
  });
  assert.deepEqual([refused.status, refused.message], [400, "Global cannot be used with Peers"]);
  assert.equal(registry.view().units.get("a.service")?.target, "launched");
  assert.equal((await request("PUT", "/fleet/v1/units/a.service", { options: sleep102 })).status, 201);
  assert.equal(registry.view().units.get("a.service")?.target, "inactive");
});

test("an option cannot smuggle in others, and honest continuations pass", async () => {
  const { request, registry } = testApi();
  const put = (name: string, option: object) =>
    request("PUT", `/fleet/v1/units/${name}`, { options: [option] });
  for (const [index, option] of [
    { section: "Service", name: "ExecStart", value: "/bin/a\nExecStartPost=/bin/evil" },
    { section: "Service", name: "ExecStart", value: "/bin/a\n[Install]" },
    { section: "Service", name: "A=B", value: "c" },
    { section: "Service]\nUser=root\n[X", name: "A", value: "b" },
    { section: "Service", name: "#A", value: "b" },
  ].entries()) {
    assert.equal((await put(`bad${index}.service`, option)).status, 400, JSON.stringify(option));
  }
  const option = { section: "Service", name: "ExecStart", value: "/bin/a \\\n  --flag" };
  assert.equal((await put("good.service", option)).status, 201);
  assert.equal(registry.view().units.get("good.service")?.text, "[Service]\nExecStart=/bin/a \\\n  --flag\n");
});

test("what is stored reads back as the options that were sent, or the request was refused", async () => {
  const text = fc.string({
    maxLength: 8,
    unit: fc.constantFrom("a", "B", "=", " ", "\n", "\\", "[", "]", "#", ";", "\r"),
  });
  const option = fc.record({ section: text, name: text, value: text });
  await fc.assert(
    fc.asyncProperty(fc.array(option, { minLength: 1, maxLength: 4 }), async (options) => {
      const { request } = testApi();
      const answer = await request("PUT", "/fleet/v1/units/a.service", { options });
      if (answer.status !== 201) {
        assert.equal(answer.status, 400);
        return;
      }
      const { text: body } = await request("GET", "/fleet/v1/units/a.service");
      const stored = (JSON.parse(body) as { options: object[] }).options;
      assert.equal(stored.length, options.length);
      assert.equal((await request("PUT", "/fleet/v1/units/a.service", { options: stored })).status, 409);
    }),
  );
});
