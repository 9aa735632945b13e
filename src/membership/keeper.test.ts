import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/fault.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import type { ClusterAdmin } from "../store/etcd/cluster-admin.ts";
import type { EtcdMember } from "../store/etcd/cluster-members.ts";
import { openMemoryStore } from "../store/memory.ts";
import { exactly } from "../store/range.ts";
import { MemberKeeper } from "./keeper.ts";
import type { MemberMachine, RoleRecord } from "./machine.ts";
import { memberKeys, readState, type MachineState, type Wish, wishText } from "./records.ts";
import { settleRole } from "./settle.ts";

const id = "4".repeat(32);
const peerUrl = "http://10.0.0.14:2380";

/** A machine and a cluster in memory, which a keeper works on. */
class Site {
  readonly env = new FakeEnv();
  readonly store = openMemoryStore(this.env);
  readonly deeds: string[] = [];
  members: EtcdMember[] = [1, 2, 3].map((number) => ({
    id: `a${number}`,
    name: `m${number}`,
    peerUrls: [`http://10.0.0.1${number}:2380`],
    clientUrls: [`http://10.0.0.1${number}:2379`],
    learner: false,
  }));
  /** How often a learner is told that it is behind. */
  behind = 0;
  role: RoleRecord = { role: "proxy", endpoints: ["http://10.0.0.11:2379"], variables: {}, told: "" };
  readonly #ending = new AbortController();

  readonly machine: MemberMachine = {
    id,
    name: "m4",
    address: "10.0.0.14",
    given: {},
    original: {},
    storeEndpoints: [],
    tls: undefined,
    remembered: async () => this.role,
    remember: async (role) => void (this.role = role),
    hasData: async () => false,
    startEtcd: async () => void this.deeds.push("start etcd"),
    alignEtcd: async () => undefined,
    restartEtcd: async () => undefined,
    stopEtcd: async () => void this.deeds.push("stop etcd"),
    setDataAside: async () => void this.deeds.push("set data aside"),
  };

  readonly #admin: ClusterAdmin = {
    read: async () => ({ members: this.members, leader: "a1", asked: "a1" }),
    ask: async () => undefined,
    addLearner: async (url) => {
      const member = { id: "a4", name: "m4", peerUrls: [url], clientUrls: [], learner: true };
      this.deeds.push(`add ${url}`);
      this.members = [...this.members, member];
      return member;
    },
    promote: async (promoted) => {
      if (this.behind-- > 0) throw new Fault("learner-behind", "it copies data");
      this.deeds.push(`promote ${promoted}`);
      this.members = this.members.map((member) =>
        member.id === promoted
          ? { ...member, learner: false, clientUrls: ["http://10.0.0.14:2379"] }
          : member,
      );
    },
    addVoter: async () => {
      throw new Error("machines come as learners");
    },
    update: async () => undefined,
    remove: async () => undefined,
    moveLeader: async () => undefined,
    close: () => undefined,
  };

  run(): Promise<void> {
    const keeper = new MemberKeeper(this.env, {
      machine: this.machine,
      store: this.store,
      admin: () => this.#admin,
      role: this.role,
      grow: async () => {
        throw new Error("this machine is not alone");
      },
      changed: () => undefined,
    });
    return keeper.run(this.#ending.signal);
  }

  async wish(wish: Omit<Wish, "number">, number: string): Promise<void> {
    const value = wishText({ ...wish, number });
    await this.store.commit({ when: [], then: [{ do: "put", key: memberKeys.wish(id), value }] });
    await this.env.settle();
  }

  async state(): Promise<MachineState> {
    const key = memberKeys.state(id);
    const { entries } = await this.store.read(exactly(key));
    return readState(entries[0]?.value ?? "", key);
  }

  async end(running: Promise<void>): Promise<void> {
    this.#ending.abort(new Error("the test is over"));
    await running;
  }
}

test("a machine tells what it is, becomes a member when that is wished, and a proxy again", async () => {
  const site = new Site();
  const running = site.run();
  await site.env.settle();
  assert.equal((await site.state()).role, "proxy");
  assert.deepEqual(site.deeds, []);

  await site.wish({ role: "member", vote: true }, "one");
  assert.deepEqual(site.deeds, [`add ${peerUrl}`, "start etcd", "promote a4"]);
  const { seen, problem, role } = await site.state();
  assert.deepEqual({ seen, problem, role }, { seen: "one", problem: "", role: "member" });
  assert.equal(site.role.endpoints[0], "http://127.0.0.1:2379", "its daemons ask its own member");
  assert.match(
    site.role.variables["ETCD_INITIAL_CLUSTER"] ?? "",
    /m1=.*m4-44444444=http:\/\/10\.0\.0\.14:2380/,
  );

  site.members = site.members.filter((member) => member.id !== "a4");
  await site.wish({ role: "proxy", vote: false }, "two");
  assert.deepEqual(site.deeds.slice(3), ["stop etcd", "set data aside"]);
  assert.equal((await site.state()).role, "proxy");
  assert.doesNotMatch(site.role.endpoints.join(), /127\.0\.0\.1/);
  await site.end(running);
});

test("what hinders is told, tried again, and forgotten once it is over", async () => {
  const site = new Site();
  site.behind = 2;
  const running = site.run();
  await site.env.settle();
  await site.wish({ role: "member", vote: true }, "one");
  assert.equal((await site.state()).problem, "it copies data");
  await site.env.advance(10_000);
  assert.equal((await site.state()).problem, "");
  assert.ok(site.deeds.includes("promote a4"));
  await site.end(running);
});

test("members that moved are remembered without a wish", async () => {
  const site = new Site();
  const running = site.run();
  await site.env.settle();
  site.members = site.members.slice(1);
  await site.store.commit({ when: [], then: [{ do: "put", key: memberKeys.state("other"), value: "{}" }] });
  await site.env.settle();
  assert.deepEqual([...site.role.endpoints].sort(), ["http://10.0.0.12:2379", "http://10.0.0.13:2379"]);
  await site.end(running);
});

test("what a machine is it decides once; changed settings are looked at again, and data counts more", async () => {
  const site = new Site();
  const nobody = async (): Promise<never> => {
    throw new Error("nobody is to be asked");
  };
  const informants = {
    readToken: nobody,
    untilTokenChanges: nobody,
    readNames: nobody,
    clientsOf: nobody,
  };
  const never = new AbortController().signal;
  const first = { ...site.machine, storeEndpoints: ["http://10.0.0.11:2379"] };
  assert.equal((await settleRole(site.env, first, informants, never)).role, "proxy");
  const deeds = site.deeds.length;
  assert.equal((await settleRole(site.env, first, informants, never)).role, "proxy");
  assert.equal(site.deeds.length, deeds, "nothing is done a second time");
  const changed = { ...site.machine, given: { ETCD_INITIAL_CLUSTER: `m4=${peerUrl}` } };
  assert.equal((await settleRole(site.env, changed, informants, never)).role, "member");
  const withData = { ...site.machine, hasData: async () => true };
  assert.equal((await settleRole(site.env, withData, informants, never)).role, "member");
});

test("a machine whose discovery service is away goes on asking", async () => {
  const site = new Site();
  let asked = 0;
  const token = {
    url: "http://d/t",
    size: 1,
    registered: [{ name: "m1", peerUrls: ["http://10.0.0.11:2380"] }],
  };
  const informants = {
    readToken: async () => {
      if (asked++ < 2) throw new Fault("no-answer", "it does not answer");
      return token;
    },
    untilTokenChanges: async () => undefined,
    readNames: async () => ({ domain: "", peers: [], clients: [] }),
    clientsOf: async () => ["http://10.0.0.11:2379"],
  };
  const machine = { ...site.machine, given: { ETCD_DISCOVERY: "http://d/t" } };
  const settled = settleRole(site.env, machine, informants, new AbortController().signal);
  await site.env.advance(60_000);
  const { role, endpoints } = await settled;
  assert.deepEqual({ role, endpoints }, { role: "proxy", endpoints: ["http://10.0.0.11:2379"] });
  assert.equal(asked, 3);
});
