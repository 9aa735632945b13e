import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import type { ClusterAdmin } from "../store/etcd/cluster-admin.ts";
import { openMemoryStore } from "../store/memory.ts";
import { Membership } from "./changes.ts";
import type { MemberPicture, MemberRow } from "./picture.ts";

const gone = { id: "2", name: "m2", peerUrls: [], clientUrls: [], learner: false };

/** A cluster whose member 2 does not answer when it is taken out, and is listed for so many looks more. */
function cluster(looks: number) {
  const env = new FakeEnv();
  let asked = 0;
  const admin: Partial<ClusterAdmin> = {
    read: async () => ({ members: looks-- > 0 ? [gone] : [], leader: "", asked: "" }),
    remove: async () => {
      asked++;
      throw new Fault("store-unavailable", "etcdserver: server stopped");
    },
  };
  const membership = new Membership(env, openMemoryStore(env), admin as ClusterAdmin);
  const row = { machine: "", member: "2", role: "member" } as MemberRow;
  const picture = { members: [gone] } as unknown as MemberPicture;
  const removed = membership.remove(picture, row, assert.fail, new AbortController().signal);
  return { env, removed, asked: () => asked };
}

test("a member that ends before it answers is out as soon as the others say so", async () => {
  const { env, removed, asked } = cluster(1);
  await env.advance(2000);
  await removed;
  assert.equal(asked(), 1);
});

test("a member that does not answer and stays is told of, at last", async () => {
  const { env, removed, asked } = cluster(Number.POSITIVE_INFINITY);
  const refused = assert.rejects(removed, { code: "store-unavailable" });
  await env.advance(60_000);
  await refused;
  assert.ok(asked() > 1);
});
