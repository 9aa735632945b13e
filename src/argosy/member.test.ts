import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import type { Membership } from "../membership/changes.ts";
import type { MemberPicture } from "../membership/picture.ts";
import type { MachineState } from "../membership/records.ts";
import { memberCommand } from "./member.ts";

function state(number: number, role: MachineState["role"]): MachineState {
  const address = `10.0.0.1${number}`;
  const peerUrl = `http://${address}:2380`;
  return {
    machine: String(number).repeat(32),
    name: `m${number}`,
    address,
    role,
    peerUrl,
    seen: "",
    problem: "",
  };
}

const picture: MemberPicture = {
  members: [1, 2, 3].map((number) => ({
    id: `a${number}`,
    name: `m${number}`,
    peerUrls: [`http://10.0.0.1${number}:2380`],
    clientUrls: [`http://10.0.0.1${number}:2379`],
    learner: false,
  })),
  leader: "a1",
  well: new Set(["a1", "a2"]),
  states: [state(1, "member"), state(2, "member"), state(3, "member"), state(4, "proxy")],
  present: new Set([1, 2, 4].map((number) => String(number).repeat(32))),
};

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly deeds: readonly string[];
  readonly endpoints: readonly string[];
}

/** Runs `argosy member WORDS` on the picture above. */
async function run(line: string, stdin = ""): Promise<Ran> {
  const deeds: string[] = [];
  let endpoints: readonly string[] = [];
  const membership = {
    picture: async () => picture,
    add: async (row: { name: string }, vote: boolean) => void deeds.push(`add ${row.name} ${vote}`),
    remove: async (_: MemberPicture, row: { name: string }) => void deeds.push(`remove ${row.name}`),
  } as unknown as Membership;
  const program = memberCommand(async (_, named) => {
    endpoints = named;
    return {
      membership,
      recovery: {
        survey: async () => ({
          members: picture.members,
          answers: new Map([["a1", { hasLeader: false, index: 7 }]]),
          own: "a1",
          states: [],
        }),
        recover: async () => void deeds.push("recover"),
      },
      close: async () => void deeds.push("close"),
    };
  });
  const surroundings = fakeSurroundings({ stdin });
  const code = await runProgram(program, line.split(" "), surroundings);
  assert.equal(deeds.pop(), "close", "connections are let go");
  return { code, out: surroundings.stdout.text(), err: surroundings.stderr.text(), deeds, endpoints };
}

test("list shows members first, then those that use them", async () => {
  const { out, code } = await run("list");
  assert.equal(code, 0);
  const lines = out.split("\n").map((line) => line.split(/\s+/).slice(0, 3).join(" "));
  assert.deepEqual(lines, [
    "NAME ROLE STATE",
    "m1 leader well",
    "m2 member well",
    "m3 member silent",
    "m4 proxy well",
    "",
  ]);
  const json = JSON.parse((await run("list --json")).out) as { quorum: boolean; machines: unknown[] };
  assert.equal(json.quorum, true);
  assert.equal(json.machines.length, 4);
});

test("a dry run tells the steps and does nothing", async () => {
  const { out, deeds } = await run("replace --dry-run m3 m4");
  assert.deepEqual(deeds, []);
  assert.match(out, /^would take m3 out of the members$/m);
  assert.match(out, /^would give m4 its vote$/m);
});

test("what is wished is done, once", async () => {
  assert.deepEqual((await run("add m4")).deeds, ["add m4 true"]);
  assert.deepEqual((await run("add --learner m4")).deeds, ["add m4 false"]);
  assert.deepEqual((await run("promote m4")).deeds, ["add m4 true"]);
  assert.deepEqual((await run("remove m3")).deeds, ["remove m3"]);
  assert.deepEqual((await run("replace m3 m4")).deeds, ["remove m3", "add m4 true"]);
  const already = await run("add m1");
  assert.deepEqual([already.code, already.out, already.deeds], [0, "m1 is a member already.\n", []]);
});

test("what would harm is refused with the next step, and nothing is begun", async () => {
  for (const [line, message] of [
    ["remove m1", /without m1 only 1 of 2 members would answer, too few to go on: bring the others back/],
    ["replace m1 m4", /without m1 only 1 of 2/],
    ["add m9", /there is no machine "m9": the cluster has m1, m2, m3, m4/],
  ] as const) {
    const { code, err, deeds } = await run(line);
    assert.equal(code, 1, line);
    assert.match(err, message);
    assert.deepEqual(deeds, [], line);
  }
});

test("members that are named are asked", async () => {
  assert.deepEqual((await run("list --endpoints http://a:2379,http://b:2379")).endpoints, [
    "http://a:2379",
    "http://b:2379",
  ]);
  assert.deepEqual((await run("list")).endpoints, []);
});

test("a cluster is made anew only after a yes", async () => {
  assert.deepEqual((await run("recover", "no\n")).deeds, []);
  assert.deepEqual((await run("recover", "yes\n")).deeds, ["recover"]);
  assert.deepEqual((await run("recover --yes")).deeds, ["recover"]);
  const { out, deeds } = await run("recover --dry-run");
  assert.deepEqual(deeds, []);
  assert.match(out, /^would take out m2, m3 for ever$/m);
});
