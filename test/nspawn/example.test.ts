import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { askBalancer, pagesOf, runExample } from "../../src/lab/example.ts";
import { type Lab, labDown, labUp } from "../../src/lab/lab.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { waitUntil } from "../../src/lab/waiting.ts";
import { testLab } from "./lab-name.ts";

const labName = testLab("test-example");
/** Far above what any step takes; only something that never comes reaches it. */
const waitLimitMs = 120_000;
const pauseMs = 20;

let lab: Lab;

before(async () => {
  const product = await builtProduct(() => undefined);
  lab = await labUp({ name: labName, machines: 3, product });
});

after(async () => {
  await labDown(labName);
});

/** The addresses that are announced in the keys API, as one machine sees them. */
async function announced(machine: string): Promise<string[]> {
  // A connection that is kept may lead to a machine that has lost its power since.
  const headers = { Connection: "close" };
  const response = await fetch(`${lab.machine(machine).keysApi}/v2/keys/services/web`, { headers });
  const answer = (await response.json()) as { node: { nodes?: { value: string }[] } };
  return (answer.node.nodes ?? []).map(({ value }) => value).sort();
}

function backends(...machines: readonly string[]): string[] {
  return machines.map((name) => `${lab.machine(name).address}:8080`).sort();
}

async function untilAnnounced(machine: string, expected: readonly string[]): Promise<void> {
  const text = JSON.stringify(expected);
  const done = async (): Promise<boolean> => JSON.stringify(await announced(machine)) === text;
  await waitUntil(done, waitLimitMs, `${machine} shows the web servers ${text}`);
}

/** Asks balancers all the time until it is told to end, or the test ends, and counts. */
function askAllTheTime(
  { signal }: TestContext,
  ...machines: readonly string[]
): () => Promise<{ asked: number; failed: number }> {
  const end = new AbortController();
  const counts = { asked: 0, failed: 0 };
  const asking = (async (): Promise<void> => {
    while (!end.signal.aborted && !signal.aborted) {
      for (const machine of machines) {
        counts.asked += 1;
        if ((await askBalancer(lab.machine(machine))) === undefined) counts.failed += 1;
      }
      await sleep(pauseMs);
    }
  })();
  return async () => {
    end.abort();
    await asking;
    return counts;
  };
}

test("each machine runs one web server, and every machine's balancer shows them all", async () => {
  await runExample(lab, () => undefined);
  for (const machine of lab.machines) {
    const pages = await pagesOf(machine, 3);
    assert.deepEqual(
      pages.map((page) => page.replace(/ on .*/, "")),
      ["web 1", "web 2", "web 3"],
    );
    assert.deepEqual(pages.map((page) => page.replace(/.* on /, "")).sort(), ["m1", "m2", "m3"]);
  }
  assert.deepEqual(await announced("m1"), backends("m1", "m2", "m3"));
});

test("starting the example again changes nothing", async () => {
  const units = async (): Promise<string> =>
    (await lab.machine("m1").exec(["systemctl", "show", "--property=InvocationID", "web@*.service"])).stdout;
  const earlier = await units();
  await runExample(lab, () => undefined);
  assert.equal(await units(), earlier);
});

test("a key that is set on one machine is read on another, also from inside a container", async () => {
  const set = await lab.machine("m1").exec(["argosy", "etcdctl", "set", "/motto", "ahoy"]);
  assert.deepEqual([set.stdout, set.code], ["ahoy\n", 0]);
  const got = await lab.machine("m2").exec(["argosy", "etcdctl", "get", "--quorum", "/motto"]);
  assert.deepEqual([got.stdout, got.code], ["ahoy\n", 0]);
  const address = "http://172.17.0.1:4001/v2/keys/motto?quorum=true";
  const inside = await lab
    .machine("m3")
    .exec(["docker", "run", "--rm", "argosy/web", "/bin/busybox", "wget", "-q", "-O", "-", address]);
  const answer = JSON.parse(inside.stdout) as { node: { value: string } };
  assert.equal(answer.node.value, "ahoy");
});

test("a machine that loses power takes its web server out, and the page stays up", async (context) => {
  const end = askAllTheTime(context, "m1", "m2");
  await lab.kill("m3");
  await untilAnnounced("m1", backends("m1", "m2"));
  await untilAnnounced("m2", backends("m1", "m2"));
  const { asked, failed } = await end();
  assert.equal(failed, 0, `${failed} of ${asked} requests were not answered`);
  assert.ok(asked > 10);
  assert.deepEqual((await pagesOf(lab.machine("m1"), 2)).length, 2);
});

test("the machine returns, and its web server with it", async () => {
  await lab.revive("m3");
  await untilAnnounced("m1", backends("m1", "m2", "m3"));
  for (const machine of lab.machines) assert.equal((await pagesOf(machine, 3)).length, 3);
});

test("a machine that is powered off takes its web server out as well", async (context) => {
  const end = askAllTheTime(context, "m1", "m3");
  await lab.poweroff("m2");
  await untilAnnounced("m1", backends("m1", "m3"));
  const { asked, failed } = await end();
  assert.equal(failed, 0, `${failed} of ${asked} requests were not answered`);
});
