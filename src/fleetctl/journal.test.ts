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

/** A cluster whose journals a test writes. Each is asked for what is there already, and from where that ends for what comes. */
function withJournals() {
  const { registry, transport, run } = cluster();
  const opened: Opened[] = [];
  const waiting: ((one: Opened) => void)[] = [];
  let nowMs = 1_000_000;
  const open: typeof transport = async (method, path, body, signal) => {
    if (!path.includes("/journal?")) return await transport(method, path, body, signal);
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = stream.writable.getWriter();
    writer.closed.catch(() => {});
    const say: Opened["say"] = (lines) => {
      // What nobody has read when the journal breaks off is lost with it.
      if (lines === undefined) void writer.close();
      else if (typeof lines === "string") writer.write(new TextEncoder().encode(lines)).catch(() => {});
      else void writer.abort(lines);
    };
    const query = new URL(path, "http://fleet").searchParams;
    const taker = waiting.shift();
    if (taker === undefined) opened.push({ query, say });
    else taker({ query, say });
    nowMs += 1000;
    const older = query.get("older");
    const headers = older === null ? {} : { "Argosy-Journal-End": String(nowMs - Number(older)) };
    return new Response(stream.readable, { headers });
  };
  const next = async (): Promise<Opened> =>
    opened.shift() ?? (await new Promise<Opened>((resolve) => waiting.push(resolve)));
  /** The journal is asked for what is there, and that is `lines`; what it is followed by then. */
  const catchUp = async (lines: string): Promise<{ readonly history: Opened; readonly stream: Opened }> => {
    const history = await next();
    assert.equal(history.query.get("follow"), "false");
    if (lines !== "") history.say(lines);
    history.say(undefined);
    const stream = await next();
    assert.equal(stream.query.get("follow"), "true");
    assert.equal(stream.query.get("machine"), history.query.get("machine"));
    return { history, stream };
  };
  /** Runs a command line; `printed` waits until it has printed a text. */
  const begin = (line: string) => {
    const surroundings = fakeSurroundings({});
    const outside = { open: () => open, ssh: async () => fakeSsh().ssh };
    const ended = runProgram(fleetctlProgram(outside, "1.0.0"), line.split(" ").slice(1), surroundings);
    const printed = async (text: string): Promise<void> => {
      while (surroundings.stdout.text().length < text.length) await new Promise(setImmediate);
      assert.equal(surroundings.stdout.text(), text);
    };
    return { ended, printed, err: () => surroundings.stderr.text() };
  };
  return { registry, run, next, catchUp, begin };
}

const away = new Fault("endpoint-unreachable", "away");

test("journal -f goes on from where it was when the API went away, whatever the lines say", async () => {
  const { registry, run, catchUp, begin } = withJournals();
  await run("fleetctl start --no-block a", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  const following = begin("fleetctl journal -f -n 2 a");
  const first = await catchUp("same\nsame\n");
  assert.deepEqual(Object.fromEntries(first.history.query), {
    lines: "2",
    follow: "false",
    output: "short",
    older: "200",
    machine: one,
  });
  assert.deepEqual(Object.fromEntries(first.stream.query), {
    lines: "100000",
    follow: "true",
    output: "short",
    since: "1000800",
    machine: one,
  });
  first.stream.say("same\nsame\nsa");
  await following.printed("same\n".repeat(4));
  first.stream.say(away);
  // Four came in all since then: the two that were printed, and two that were not, one of them cut off.
  const second = await catchUp("same\n".repeat(4));
  assert.equal(second.history.query.get("since"), "1000800");
  assert.equal(second.history.query.get("lines"), "100000");
  await following.printed("same\n".repeat(6));
  assert.equal(second.stream.query.get("since"), "1002800");
  // A stream that ends is asked for again like one that breaks off.
  second.stream.say(undefined);
  const third = await catchUp("");
  assert.equal(third.history.query.get("since"), "1002800");
  third.stream.say("other\n");
  await following.printed(`${"same\n".repeat(6)}other\n`);
  registry.clearState("a.service", one);
  registry.clearPlacement("a.service");
  await run("fleetctl destroy --no-block a");
  assert.equal(await following.ended, 0);
  assert.equal(following.err(), "");
});

test("journal -f prints all of a unit on the machine it goes to, and goes on where it comes back to", async () => {
  const { registry, run, next, catchUp, begin } = withJournals();
  await run("fleetctl start --no-block a", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  const following = begin("fleetctl journal -f -n 1 a");
  const atOne = await catchUp("1\n");
  await following.printed("1\n");
  registry.setPlacement("a.service", two);
  registry.clearState("a.service", one);
  registry.setState({ unit: "a.service", machine: two });
  const unanswered = await next();
  assert.equal(unanswered.query.get("machine"), two);
  assert.ok(unanswered.query.has("within"));
  // Part of an answer is not printed, and does not count.
  unanswered.say("b1\n");
  unanswered.say(away);
  const atTwo = await catchUp("b1\nb2\n");
  const within = (opened: Opened): number => Number(opened.query.get("within") ?? Number.NaN);
  assert.ok(within(atTwo.history) >= within(unanswered));
  assert.equal(atTwo.history.query.get("lines"), "100000");
  await following.printed("1\nb1\nb2\n");
  atOne.stream.say("2\n");
  await following.printed("1\nb1\nb2\n2\n");
  atOne.stream.say(undefined);
  registry.setPlacement("a.service", one);
  registry.clearState("a.service", two);
  registry.setState({ unit: "a.service", machine: one });
  const again = await catchUp("2\n3\n");
  assert.equal(again.history.query.get("machine"), one);
  assert.equal(again.history.query.get("since"), atOne.stream.query.get("since"));
  await following.printed("1\nb1\nb2\n2\n3\n");
  registry.clearState("a.service", one);
  registry.clearPlacement("a.service");
  await run("fleetctl destroy --no-block a");
  assert.equal(await following.ended, 0);
  assert.equal(following.err(), "");
});

test("journal -f opens a journal anew after many lines, so that there is never more to read again", async () => {
  const { registry, run, catchUp, begin } = withJournals();
  await run("fleetctl start --no-block a", { "a.service": hello });
  registry.setPlacement("a.service", one);
  registry.setState({ unit: "a.service", machine: one });
  const following = begin("fleetctl journal -f a");
  const first = await catchUp("");
  const many = Array.from({ length: 20_000 }, (_, index) => `${index}\n`).join("");
  first.stream.say(many);
  await following.printed(many);
  const second = await catchUp(`${many}new\n`);
  assert.equal(second.history.query.get("since"), first.stream.query.get("since"));
  await following.printed(`${many}new\n`);
  registry.clearState("a.service", one);
  registry.clearPlacement("a.service");
  await run("fleetctl destroy --no-block a");
  assert.equal(await following.ended, 0);
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
  for (const history of [await next(), await next()]) history.say(undefined);
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
  assert.equal((await run("fleetctl journal -f nope")).err, "Unit nope.service does not exist.\n");
  assert.deepEqual(await run("fleetctl journal a*"), {
    code: 1,
    out: "",
    err: "No unit that is loaded or started fits a*.\n",
  });
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
