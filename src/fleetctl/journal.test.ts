import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "../cli/program.ts";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { Fault } from "../lib/fault.ts";
import { cluster, fakeSsh, fleetctl, hello, obedient, one, two } from "./cluster-fixture.ts";
import { fleetctlProgram } from "./program.ts";

interface Opened {
  readonly query: URLSearchParams;
  /** What the journal says next; undefined ends it, a Fault breaks it off. */
  readonly say: (lines: string | Fault | undefined) => void;
}

/** A cluster whose journals a test writes. */
function withJournals() {
  const { registry, transport, run } = cluster();
  const opened: Opened[] = [];
  const waiting: ((one: Opened) => void)[] = [];
  const open: typeof transport = async (method, path, body, signal) => {
    if (!path.includes("/journal?")) return await transport(method, path, body, signal);
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    const say: Opened["say"] = (lines) => {
      if (lines === undefined) void writer.close();
      else if (typeof lines === "string") void writer.write(new TextEncoder().encode(lines));
      else void writer.abort(lines);
    };
    const journal = { query: new URL(path, "http://fleet").searchParams, say };
    const taker = waiting.shift();
    if (taker === undefined) opened.push(journal);
    else taker(journal);
    return new Response(stream.readable);
  };
  const next = async (): Promise<Opened> =>
    opened.shift() ?? (await new Promise<Opened>((resolve) => waiting.push(resolve)));
  /** Runs a command line; `printed` waits until it has printed a text. */
  const begin = (line: string) => {
    const surroundings = fakeSurroundings({});
    const outside = { open: () => open, ssh: async () => fakeSsh().ssh };
    const ended = runProgram(fleetctlProgram(outside, "1.0.0"), line.split(" ").slice(1), surroundings);
    const printed = async (text: string): Promise<void> => {
      while (surroundings.stdout.text() !== text) await new Promise(setImmediate);
    };
    return { ended, printed, err: () => surroundings.stderr.text() };
  };
  return { registry, run, next, begin };
}

test("journal -f goes on from where it was when the API went away, and follows the unit to another machine", async () => {
  const { registry, run, next, begin } = withJournals();
  await run("fleetctl start --no-block a", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  const following = begin("fleetctl journal -f -n 2 a");
  const first = await next();
  assert.deepEqual(Object.fromEntries(first.query), {
    lines: "2",
    follow: "true",
    output: "short",
    machine: one,
  });
  first.say("a1\na1\na");
  await following.printed("a1\na1\n");
  first.say("2\n");
  await following.printed("a1\na1\na2\n");
  first.say(new Fault("endpoint-unreachable", "away"));
  const again = await next();
  assert.equal(again.query.get("lines"), "100000");
  assert.equal(again.query.get("machine"), one);
  assert.ok(Number(again.query.get("within")) >= 2000);
  // The line that came twice may come once more for good.
  again.say("older\n");
  await following.printed("a1\na1\na2\nolder\n");
  again.say(undefined);
  const third = await next();
  third.say("a1\na1\na2\nolder\na1\n");
  await following.printed("a1\na1\na2\nolder\na1\n");
  registry.setPlacement("a.service", two);
  registry.clearState("a.service", one);
  registry.setState({ unit: "a.service", machine: two });
  const moved = await next();
  assert.equal(moved.query.get("machine"), two);
  assert.ok(moved.query.has("within"));
  moved.say("b1\n");
  await following.printed("a1\na1\na2\nolder\na1\nb1\n");
  third.say("a last\n");
  await following.printed("a1\na1\na2\nolder\na1\nb1\na last\n");
  third.say(undefined);
  registry.clearState("a.service", two);
  registry.clearPlacement("a.service");
  await run("fleetctl destroy --no-block a");
  assert.equal(await following.ended, 0);
  assert.equal(following.err(), "");
});

test("journal -f of a pattern merges whole lines of all units and machines", async () => {
  const { registry, run, next, begin } = withJournals();
  await run("fleetctl start --no-block a@1 a@2", { "a@.service": hello });
  for (const [unit, machine] of [
    ["a@1.service", one],
    ["a@2.service", two],
  ] as const) {
    registry.setPlacement(unit, machine);
    registry.setState({ unit, machine });
  }
  const following = begin("fleetctl journal --follow --output=cat a@*");
  const [first, second] = [await next(), await next()];
  first.say("one\non");
  await following.printed("one\n");
  second.say("two\n");
  await following.printed("one\ntwo\n");
  first.say("e\n");
  await following.printed("one\ntwo\none\n");
  for (const unit of ["a@1.service", "a@2.service"]) {
    registry.clearState(unit, one);
    registry.clearState(unit, two);
    registry.clearPlacement(unit);
  }
  await run("fleetctl destroy --no-block a@*");
  assert.equal(await following.ended, 0);
});

test("journal -f of what is nowhere says so", async () => {
  const { run } = withJournals();
  await run("fleetctl submit a", { "a.service": hello });
  assert.deepEqual(await run("fleetctl journal -f a"), {
    code: 1,
    out: "",
    err: "Unit a.service does not appear to be running.\n",
  });
  for (const line of ["fleetctl journal -f nope", "fleetctl journal nope*"]) {
    assert.match((await run(line)).err, /^Unit nope\*?\.service does not exist\.\n$/);
  }
});

test("where the API does not answer for a machine, ssh does", async () => {
  const { registry, transport, run } = cluster();
  obedient(registry, two);
  const files = {
    "a.service": hello,
    "g.service": `${hello}[X-Fleet]\nGlobal=true\n`,
    "idle.service": hello,
  };
  await run("fleetctl start a g", files);
  await run("fleetctl submit idle", files);
  registry.setState({ unit: "g.service", machine: one });
  const silent =
    (status: number): typeof transport =>
    async (method, path, body, signal) =>
      /\/(journal|status)/.test(path)
        ? new Response("", { status })
        : await transport(method, path, body, signal);
  const rows: readonly (readonly [line: string, words: readonly string[]])[] = [
    ["fleetctl status a", ["22 10.0.0.2 -- systemctl status -l a.service"]],
    ["fleetctl status --ssh-port=2022 a", ["2022 10.0.0.2 -- systemctl status -l a.service"]],
    [
      "fleetctl status g",
      ["22 10.0.0.1 -- systemctl status -l g.service", "22 10.0.0.2 -- systemctl status -l g.service"],
    ],
    ["fleetctl journal a", ["22 10.0.0.2 -- journalctl --unit a.service --no-pager -n 10 --output short"]],
    [
      "fleetctl journal --sudo -f -n 3 -o cat a",
      ["22 10.0.0.2 -- sudo journalctl --unit a.service --no-pager -n 3 --output cat -f"],
    ],
  ];
  for (const status of [404, 502]) {
    for (const [line, words] of rows) {
      const { ssh, called } = fakeSsh();
      const { code, err } = await fleetctl(() => silent(status), line, {}, {}, { ssh, called });
      assert.deepEqual([code, err], [0, ""], line);
      assert.deepEqual(
        called.map((each) => each.join(" ").replace(/.* -p /, "")),
        words,
      );
    }
    const told = async (line: string) => (await fleetctl(() => silent(status), line)).err;
    assert.equal(await told("fleetctl status idle"), "Unit idle.service does not appear to be loaded.\n");
    assert.equal(await told("fleetctl journal idle"), "Unit idle.service does not appear to be running.\n");
    assert.equal(await told("fleetctl status nope"), "Unit nope.service does not exist.\n");
    const failed = await fleetctl(() => silent(status), "fleetctl status g", {}, {}, fakeSsh(3));
    assert.equal(failed.code, 3);
  }
});
