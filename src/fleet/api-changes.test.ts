import assert from "node:assert/strict";
import { test } from "node:test";
import { stillClock, testApi } from "./api-fixture.ts";

const one = "1".repeat(32);
const two = "2".repeat(32);
const sleep101 = [{ section: "Service", name: "ExecStart", value: "/bin/sleep 101" }];

test("a request for changes is answered when a unit it names changes, and not before", async () => {
  const { request, registry } = testApi();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  const ask = async (after: number) => {
    const { text } = await request("GET", `/argosy/v1/changes?after=${after}&unit=a.service&unit=b.service`);
    return JSON.parse(text) as { revision: number; units: { name: string; [key: string]: unknown }[] };
  };
  const first = await ask(0);
  assert.deepEqual(
    first.units.map((unit) => unit.name),
    ["a.service", "b.service"],
  );
  let answered = false;
  const waiting = ask(first.revision).then((changes) => {
    answered = true;
    return changes;
  });
  await new Promise(setImmediate);
  registry.setMachine({ id: one, address: "10.0.0.1" });
  await new Promise(setImmediate);
  assert.equal(answered, false);
  registry.setPlacement("a.service", [{ machine: one, why: "too full" }]);
  const second = await waiting;
  assert.deepEqual(second.units, [
    {
      name: "a.service",
      desiredState: "launched",
      hash: "3adfef73186060afe14c40321f37c0e224085695",
      currentState: "inactive",
      global: false,
      waiting: [{ machine: { id: one, address: "10.0.0.1" }, why: "too full" }],
      states: [],
    },
  ]);
  registry.setPlacement("a.service", one);
  registry.setState({
    unit: "a.service",
    machine: one,
    active: "failed",
    sub: "failed",
    result: "exit-code",
  });
  const third = await ask(second.revision);
  assert.deepEqual(third.units[0]?.states, [
    {
      machine: { id: one, address: "10.0.0.1" },
      hash: "3adfef73186060afe14c40321f37c0e224085695",
      load: "loaded",
      active: "failed",
      sub: "failed",
      reached: "launched",
      result: "exit-code",
    },
  ]);
});

test("a request for changes can name its units in a body, and says what is wrong with it", async () => {
  const { request, registry } = testApi();
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101 });
  const { text } = await request("POST", "/argosy/v1/changes", { units: ["a.service"] });
  assert.deepEqual(JSON.parse(text), {
    revision: registry.view().revision,
    units: [
      {
        name: "a.service",
        desiredState: "inactive",
        hash: "3adfef73186060afe14c40321f37c0e224085695",
        currentState: "inactive",
        global: false,
        states: [],
      },
    ],
  });
  const wrongAfter = "after must be a revision, or 0 for what is so now";
  const rows: readonly [unknown, string][] = [
    ["", "unable to decode body: EOF"],
    ["[]", "the body must be a JSON object"],
    [{}, "name between 1 and 10000 units"],
    [{ units: "a.service" }, "name between 1 and 10000 units"],
    [{ units: [] }, "name between 1 and 10000 units"],
    [{ units: Array.from({ length: 10_001 }, () => "a.service") }, "name between 1 and 10000 units"],
    [{ units: [1] }, "each unit must be named by a text"],
    [{ units: ["a.service"], after: -1 }, wrongAfter],
    [{ units: ["a.service"], after: 1.5 }, wrongAfter],
    [{ units: ["a.service"], after: "1" }, wrongAfter],
  ];
  for (const [body, message] of rows) {
    const refused = await request("POST", "/argosy/v1/changes", body);
    assert.deepEqual([refused.status, refused.message], [400, message]);
  }
  assert.equal((await request("GET", "/argosy/v1/changes?unit=a.service&after=x")).message, wrongAfter);
  assert.equal(
    (await request("PUT", "/argosy/v1/changes")).message,
    "only GET and POST supported against this resource",
  );
});

test("a request for changes ends empty when its time is over", async () => {
  const limit = Promise.withResolvers<void>();
  const never = new Promise<void>(() => {});
  const clock = { ...stillClock, sleep: (ms: number) => (ms === 30_000 ? limit.promise : never) };
  const { request, registry } = testApi({ clock });
  const asked = request("GET", `/argosy/v1/changes?after=${registry.view().revision}&unit=a.service`);
  await new Promise(setImmediate);
  limit.resolve();
  assert.equal((await asked).text, '{"revision":1,"units":[]}');
});

test("status and journal come from the machine the unit is on", async () => {
  const asked: string[] = [];
  const { request, registry } = testApi({
    machines: {
      local: {
        id: one,
        status: async (unit) => ({ text: `${unit} is here\n`, exitCode: 3 }),
        journal: (unit, options) => new Blob([`${unit} ${options.lines} ${options.output}\n`]).stream(),
      },
      fetchMachine: async (machine, path) => {
        asked.push(path);
        return new Response(`from ${machine.slice(0, 2)}\n`, { headers: { "Argosy-Exit-Code": "0" } });
      },
    },
  });
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).status, 404);
  await request("PUT", "/fleet/v1/units/a.service", { options: sleep101, desiredState: "launched" });
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).status, 409);
  registry.setPlacement("a.service", one);
  const here = await request("GET", "/argosy/v1/units/a.service/status");
  assert.deepEqual([here.text, here.headers.get("argosy-exit-code")], ["a.service is here\n", "3"]);
  const journal = await request("GET", "/argosy/v1/units/a.service/journal?lines=5&output=cat");
  assert.equal(journal.text, "a.service 5 cat\n");
  assert.equal((await request("GET", "/argosy/v1/units/a.service/journal?output=evil")).status, 400);
  assert.equal((await request("GET", "/argosy/v1/units/a.service/journal?lines=-1")).status, 400);
  registry.setPlacement("a.service", two);
  assert.equal((await request("GET", "/argosy/v1/units/a.service/status")).text, "from 22\n");
  assert.deepEqual(asked, [`/argosy/v1/units/a.service/status?machine=${two}`]);
  const options = [...sleep101, { section: "X-Fleet", name: "Global", value: "true" }];
  await request("PUT", "/fleet/v1/units/g.service", { options, desiredState: "launched" });
  registry.setState({ unit: "g.service", machine: one });
  registry.setState({ unit: "g.service", machine: two });
  const both = await request("GET", "/argosy/v1/units/g.service/status");
  assert.deepEqual(
    [both.text, both.headers.get("argosy-exit-code")],
    ["g.service is here\n\nfrom 22\n", "3"],
  );
  const lines = (await request("GET", "/argosy/v1/units/g.service/journal")).text.split("\n").toSorted();
  assert.deepEqual(lines, ["", "from 22", "g.service 10 short"]);
});
