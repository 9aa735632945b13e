import assert from "node:assert/strict";
import { test } from "node:test";
import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import type { MachineState, Wish } from "./records.ts";
import { findRow, memberRows, type MemberPicture, planAdd, planRemove } from "./picture.ts";
import { planRecovery } from "./recovery.ts";
import { canLose, endpointsOf, hasQuorum, nextStep } from "./steps.ts";

function member(number: number, more: Partial<EtcdMember> = {}): EtcdMember {
  return {
    id: `a${number}`,
    name: `m${number}`,
    peerUrls: [`http://10.0.0.1${number}:2380`],
    clientUrls: [`http://10.0.0.1${number}:2379`],
    learner: false,
    ...more,
  };
}

function state(number: number, role: MachineState["role"]): MachineState {
  return {
    machine: String(number).repeat(32),
    name: `m${number}`,
    address: `10.0.0.1${number}`,
    role,
    peerUrl: `http://10.0.0.1${number}:2380`,
    seen: "",
    problem: "",
  };
}

const three = [member(1), member(2), member(3)];
const peerUrl = "http://10.0.0.14:2380";
const wanted: Wish = { role: "member", vote: true, number: "1" };
const unwanted: Wish = { role: "proxy", vote: false, number: "2" };

test("a proxy becomes a member step by step", () => {
  const standing = { wish: wanted, role: "proxy" as const, peerUrl };
  assert.deepEqual(nextStep({ ...standing, members: three }), { do: "join" });
  const learner = member(4, { learner: true, name: "" });
  assert.deepEqual(nextStep({ ...standing, members: [...three, learner] }), { do: "start" });
  const started = { ...standing, role: "member" as const };
  assert.deepEqual(nextStep({ ...started, members: [...three, learner] }), { do: "promote", id: "a4" });
  assert.deepEqual(nextStep({ ...started, members: [...three, member(4)] }), { do: "nothing" });
  const voteless = { ...started, wish: { ...wanted, vote: false } };
  assert.deepEqual(nextStep({ ...voteless, members: [...three, learner] }), { do: "nothing" });
});

test("a member stays until it is out of the list, and then leaves", () => {
  const standing = { wish: unwanted, role: "member" as const, peerUrl };
  assert.equal(nextStep({ ...standing, members: [...three, member(4)] }).do, "refuse");
  assert.deepEqual(nextStep({ ...standing, members: three }), { do: "leave" });
  assert.deepEqual(nextStep({ ...standing, role: "proxy", members: three }), { do: "nothing" });
});

test("a machine that was taken out while it was wished back begins afresh", () => {
  assert.deepEqual(nextStep({ wish: wanted, role: "member", peerUrl, members: three }), { do: "leave" });
});

test("without a wish a machine stays what it is; without an address it says what is missing", () => {
  for (const role of ["member", "proxy", "embedded"] as const)
    assert.deepEqual(nextStep({ wish: undefined, role, peerUrl, members: three }), { do: "nothing" });
  assert.equal(nextStep({ wish: wanted, role: "proxy", peerUrl: "", members: three }).do, "refuse");
  assert.deepEqual(nextStep({ wish: wanted, role: "embedded", peerUrl, members: [] }), { do: "grow" });
});

test("a member asks itself first, proxies spread over the members, nobody asks a learner", () => {
  const members = [...three, member(4, { learner: true }), member(5, { clientUrls: [] })];
  const own = { peerUrl: "http://10.0.0.12:2380", endpoint: "http://127.0.0.1:2379" };
  assert.deepEqual(endpointsOf(members, own, 0), [
    "http://127.0.0.1:2379",
    "http://10.0.0.11:2379",
    "http://10.0.0.13:2379",
  ]);
  const first = [0, 1, 2].map((spread) => endpointsOf(members, undefined, spread)[0]);
  assert.equal(new Set(first).size, 3);
  assert.deepEqual(endpointsOf([], undefined, 7), []);
});

test("a member may go when a majority of the others answers", () => {
  const well = (...ids: string[]): ReadonlySet<string> => new Set(ids);
  assert.equal(canLose(three, "a1", well("a1", "a2", "a3")), true);
  assert.equal(canLose(three, "a1", well("a2", "a3")), true);
  assert.equal(canLose(three, "a1", well("a1", "a2")), false);
  assert.equal(canLose([member(1)], "a1", well("a1")), false);
  assert.equal(hasQuorum(three, well("a1", "a2")), true);
  assert.equal(hasQuorum(three, well("a1")), false);
});

const picture: MemberPicture = {
  members: [...three, member(9, { name: "foreign" })],
  leader: "a2",
  well: new Set(["a1", "a2", "a9"]),
  states: [state(10, "proxy"), state(1, "member"), state(2, "member"), state(3, "member")],
  present: new Set([state(10, "proxy").machine, state(1, "member").machine]),
};

test("a list has machines and members once each", () => {
  const rows = memberRows(picture);
  assert.deepEqual(
    rows.map(({ name, role, state: is }) => `${name} ${role} ${is}`),
    ["foreign member well", "m1 member well", "m2 leader well", "m3 member silent", "m10 proxy well"],
  );
  const alone = {
    ...picture,
    members: [member(1, { peerUrls: [] })],
    states: [state(1, "embedded")],
    leader: "a1",
  };
  assert.deepEqual(
    memberRows(alone).map(({ name, role }) => `${name} ${role}`),
    ["m1 embedded"],
  );
});

test("machines are found by every name they have", () => {
  const rows = memberRows(picture);
  for (const text of ["m1", "1".repeat(32), "1111", "10.0.0.11", "a1"])
    assert.equal(findRow(rows, text).name, "m1", text);
  assert.throws(() => findRow(rows, "m4"), {
    code: "no-such-machine",
    message: /the cluster has foreign, m1, m2/,
  });
  assert.throws(() => findRow([...rows, ...rows], "m1"), { message: /several machines are called "m1"/ });
});

test("plans refuse what would harm, and rest where nothing is to be done", () => {
  const rows = memberRows(picture);
  const find = (name: string): ReturnType<typeof findRow> => findRow(rows, name);
  assert.equal(planAdd(rows, find("m10"), true).may, "go");
  assert.equal(planAdd(rows, find("m1"), true).may, "rest");
  assert.equal(planAdd(rows, { ...find("m10"), state: "silent" }, true).may, "not");
  assert.equal(planRemove(picture, find("m10")).may, "rest");
  assert.equal(planRemove(picture, find("m3")).may, "go");
  const few = { ...picture, members: three };
  assert.equal(planRemove(few, find("m1")).may, "not", "only one of two others answers");
  assert.equal(planRemove({ ...picture, members: [member(1)] }, find("m1")).may, "not");
});

test("a cluster is made anew only without a quorum, from the member that holds most", () => {
  const health = (index: number, hasLeader = false): { hasLeader: boolean; index: number } => ({
    hasLeader,
    index,
  });
  const five = [...three, member(4), member(5)];
  const survey = (answers: Record<string, { hasLeader: boolean; index: number }>, own = "a1") =>
    planRecovery({ members: five, own, states: [], answers: new Map(Object.entries(answers)) });
  assert.equal(survey({ a1: health(7) }).may, "go");
  assert.equal(survey({ a1: health(7), a2: health(7) }).may, "go");
  assert.equal(survey({ a1: health(7), a2: health(8) }).may, "not");
  assert.equal(survey({ a1: health(7), a2: health(7), a3: health(7) }).may, "not");
  assert.equal(survey({ a1: health(7), a2: health(7, true) }).may, "not");
  assert.equal(survey({ a7: health(7) }, "a7").may, "not", "no member of the list");
});
