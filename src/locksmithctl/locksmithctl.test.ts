import assert from "node:assert/strict";
import { after, test } from "node:test";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { runEtcdctl, startFakeServer } from "../etcdctl/fake-server.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { Fault } from "../lib/fault.ts";
import type { Outside } from "./connect.ts";
import { locksmithctlProgram } from "./program.ts";

const server = await startFakeServer();
after(async () => server[Symbol.asyncDispose]());

const root = "/coreos.com/updateengine/rebootlock";
let groups = 0;

interface Options {
  readonly outside?: Partial<Outside>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

async function run(line: string, { outside, variables, files }: Options = {}) {
  const program = locksmithctlProgram({ ...nobody, ...outside }, "0.0.0");
  const surroundings = fakeSurroundings({
    variables: { LOCKSMITHCTL_ENDPOINT: server.endpoint, ...variables },
    files: files ?? { "/etc/machine-id": "69d27b356a94476da859461d3a3bc6fd\n" },
  });
  const code = await runProgram(
    program,
    line.split(" ").filter((word) => word !== ""),
    surroundings,
  );
  return [code, surroundings.stdout.text(), surroundings.stderr.text()] as const;
}

const nobody: Outside = {
  transport: clientTransport,
  userId: () => 0,
  reboot: async () => await Promise.reject(new Error("no test was to reboot")),
  emitNeedReboot: async () => await Promise.reject(new Error("no test was to send a signal")),
};

/** Runs lines in a group of their own, each with what it has to end with. */
async function play(...lines: readonly (readonly [string, number, string, string])[]): Promise<string> {
  const group = `g${++groups}`;
  for (const [line, ...expected] of lines) {
    const ended = await run(line, { variables: { LOCKSMITHCTL_GROUP: group } });
    assert.deepEqual(ended, expected, line);
  }
  return `${root}/groups/${group}/semaphore`;
}

async function value(key: string): Promise<string> {
  return (await runEtcdctl(["--endpoints", server.endpoint, "get", key])).stdout.trim();
}

test("a fresh group has one slot; who takes it is shown, and gives it back", async () => {
  const key = await play(
    ["status", 0, "Available: 1\nMax: 1\n", ""],
    ["lock a", 0, "", ""],
    ["status", 0, "Available: 0\nMax: 1\n\nMACHINE ID\na\n", ""],
    ["lock b", 1, "", "Error locking: semaphore is at 0\n"],
    ["unlock x", 1, "", "Error unlocking: holder does not exist\n"],
    ["unlock a", 0, "", ""],
    ["status", 0, "Available: 1\nMax: 1\n", ""],
  );
  assert.equal(await value(key), '{"semaphore":1,"max":1,"holders":[]}');
});

test("more slots, and fewer than there are holders", async () => {
  const key = await play(
    ["set-max 3", 0, "Old-Max: 1\nMax: 3\n", ""],
    ["set-max 2", 0, "Old-Max: 3\nMax: 2\n", ""],
    ["lock b", 0, "", ""],
    ["lock a", 0, "", ""],
    ["lock a", 0, "", ""],
    ["set-max 1", 0, "Old-Max: 2\nMax: 1\n", ""],
    ["lock c", 1, "", "Error locking: semaphore is at -1\n"],
    ["unlock a", 0, "", ""],
    ["lock c", 1, "", "Error locking: semaphore is at 0\n"],
    ["set-max", 1, "", "New maximum value must be set.\n"],
    ["set-max 1 2", 1, "", "New maximum value must be set.\n"],
    ["set-max many", 1, "", 'Error setting value: "many" is not a whole number\n'],
    ["set-max 0", 0, "Old-Max: 1\nMax: 0\n", ""],
  );
  assert.equal(await value(key), '{"semaphore":-1,"max":0,"holders":["b"]}');
});

test("the default group and the escapes of others are where locksmith has them", async () => {
  assert.deepEqual(await run("lock"), [0, "", ""]);
  const held = '{"semaphore":0,"max":1,"holders":["69d27b356a94476da859461d3a3bc6fd"]}';
  assert.equal(await value(`${root}/semaphore`), held);
  assert.deepEqual(await run("unlock"), [0, "", ""]);
  const requests: string[] = [];
  const transport: Outside["transport"] = (tls) => {
    const send = clientTransport(tls);
    return async (request) => {
      requests.push(request.url.replace(server.endpoint, ""));
      return await send(request);
    };
  };
  const status = await run("status", {
    variables: { LOCKSMITHCTL_GROUP: "prod/db x" },
    outside: { transport },
  });
  assert.deepEqual(status, [0, "Available: 1\nMax: 1\n", ""]);
  assert.ok(
    requests.includes(`/v2/keys${root}/groups/prod%252Fdb+x/semaphore?prevExist=false`),
    requests.join("\n"),
  );
});

test("status and the others speak JSON", async () => {
  await play(
    ["lock a --lease 90s --json", 0, '{\n  "id": "a",\n  "already": false,\n  "released": []\n}\n', ""],
    [
      "status --json",
      0,
      `${JSON.stringify({ available: 0, max: 1, holders: [{ id: "a", lease: { seconds: 90, leftSeconds: 90 } }], halted: null }, null, 2)}\n`,
      "",
    ],
    ["set-max 2 --json", 0, '{\n  "oldMax": 1,\n  "max": 2\n}\n', ""],
    ["unlock a --json", 0, '{\n  "id": "a"\n}\n', ""],
  );
});

test("every holder has a lease unless somebody wants none", async () => {
  const lease = async (words: string): Promise<unknown> => {
    const variables = { LOCKSMITHCTL_GROUP: "leases" };
    assert.equal((await run(`lock a${words}`, { variables }))[0], 0);
    const { holders } = JSON.parse((await run("status --json", { variables }))[1]) as {
      holders: readonly { readonly lease: { readonly seconds: number } | null }[];
    };
    return holders[0]?.lease?.seconds;
  };
  assert.equal(await lease(""), 3600);
  assert.equal(await lease(" --lease 90s"), 90);
  assert.equal(await lease(" --lease off"), undefined);
});

test("servers that are not there are told apart from refusals", async () => {
  const first = "Error initializing etcd client: client: etcd cluster is unavailable or misconfigured\n";
  const none = { LOCKSMITHCTL_ENDPOINT: "http://127.0.0.1:1" };
  for (const line of ["status", "lock a", "unlock a", "set-max 2"]) {
    assert.deepEqual(await run(line, { variables: none }), [
      1,
      "",
      `${first}  dial tcp 127.0.0.1:1: connect: connection refused\n`,
    ]);
  }
  const [code, , stderr] = await run(`--endpoint http://127.0.0.1:1,${server.endpoint} status`);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("files of TLS belong together", async () => {
  const [code, stdout, stderr] = await run("--etcd-cafile /ca.pem status");
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /^Error initializing etcd client: --etcd-cafile.*all three or none\n$/);
});

test("what is no command is said as locksmith says it", async () => {
  const hint = "Run 'locksmithctl help' for usage.\n";
  assert.deepEqual(await run("dance"), [2, `locksmithctl: unknown subcommand: "dance"\n${hint}`, ""]);
  assert.deepEqual(await run("help dance"), [1, "", "Unrecognized command: dance\n"]);
  assert.deepEqual(await run("--version"), [0, "locksmithctl version 0.6.2\n", ""]);
  for (const line of ["", "help", "help lock", "lock --help"]) {
    const [code, stdout] = await run(line);
    assert.equal(code, 0);
    assert.match(stdout, /locksmithctl/);
  }
});

test("a reboot takes the slot first, needs root, and gives the slot back when logind refuses", async () => {
  const variables = { LOCKSMITHCTL_GROUP: "reboots" };
  const deeds: string[] = [];
  const reboot = async (): Promise<void> => void deeds.push("reboot");
  const user = await run("reboot", { variables, outside: { userId: () => 1000, reboot } });
  assert.deepEqual(user, [1, "", "Must be root to initiate reboot.\n"]);

  const refuse = async (): Promise<void> => {
    throw new Fault("bus-refused", "Access denied");
  };
  const refused = await run("reboot", { variables, outside: { reboot: refuse } });
  assert.deepEqual(refused, [1, "", "Error rebooting: Access denied\n"]);
  assert.equal((await run("status", { variables }))[1], "Available: 1\nMax: 1\n");

  await run("lock other", { variables });
  const full = await run("reboot", { variables, outside: { reboot } });
  assert.deepEqual(full, [1, "", "Error locking: semaphore is at 0\n"]);
  assert.deepEqual(deeds, []);
  await run("unlock other", { variables });

  assert.deepEqual(await run("reboot", { variables, outside: { reboot } }), [0, "", ""]);
  assert.deepEqual(deeds, ["reboot"]);
  assert.match((await run("status --json", { variables }))[1], /"id": "69d2.*\n.*\n *"seconds": 3600/);
  const nameless = await run("lock", { variables, files: {} });
  assert.match(nameless[2], /^Error locking: cannot read machine-id/);
  assert.deepEqual([nameless[0], (await run("lock a --lease 1s", { variables }))[0]], [1, 1]);
});

test("the signal of an update goes out", async () => {
  let sent = 0;
  const emitNeedReboot = async (): Promise<void> => void sent++;
  assert.deepEqual(await run("send-need-reboot", { outside: { emitNeedReboot } }), [0, "", ""]);
  assert.equal(sent, 1);
  const user = await run("send-need-reboot", { outside: { emitNeedReboot, userId: () => 1000 } });
  assert.deepEqual(user, [1, "", "Must be root to send the signal.\n"], "the bus would drop it in silence");
  assert.equal(sent, 1);
});
