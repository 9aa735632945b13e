import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { machinesFolder, testImage } from "../qemu/images.ts";
import { blessedPattern, bootLimitMs, Machine } from "../qemu/machine.ts";
import { Bridge } from "./bridge.ts";
import { UpdateService } from "./update-service.ts";

/** Three machines that know nothing but one cloud-config become a cluster, run containers, and get a new version one after the other. */

const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));
const tokensFolder = `${machinesFolder}/cluster-${process.pid}-tokens`;
const numbers = [1, 2, 3];
/** Three machines share two processors. */
const slowBootLimitMs = 3 * bootLimitMs;
const workLimitMs = 20 * 60_000;

let bridge: Bridge;
let service: UpdateService;
let tokens: ChildProcess;
let machines: readonly Machine[] = [];

/** A web server in a container made of the machine's own /usr: tests fetch nothing from a registry. */
const webUnit = `[Unit]
Description=A web server, number %i

[Service]
ExecStartPre=/bin/sh -c 'tar --create --directory=/ bin lib lib64 sbin | docker import - local'
ExecStart=/usr/bin/docker run --rm --name=web --publish=8000:8000 --volume=/usr:/usr:ro local /usr/lib/argosy/node -e "require('http').createServer((_, answer) => answer.end('web\\\\n')).listen(8000)"
ExecStop=/usr/bin/docker stop --time=1 web
Restart=on-failure

[X-Fleet]
Conflicts=web@*.service
`;

function cloudConfig(token: string): string {
  return `#cloud-config
coreos:
  etcd2:
    discovery: ${token}
    advertise-client-urls: http://$private_ipv4:2379
    initial-advertise-peer-urls: http://$private_ipv4:2380
    listen-client-urls: http://0.0.0.0:2379
    listen-peer-urls: http://$private_ipv4:2380
  fleet:
    public-ip: $private_ipv4
  update:
    group: stable
    server: ${service.url}
    reboot-strategy: etcd-lock
  units:
    - name: etcd2.service
      command: start
    - name: fleet.service
      command: start
`;
}

before(async () => {
  const image = await testImage("1");
  bridge = await Bridge.make(numbers.length);
  service = new UpdateService(`cluster-${process.pid}-service`, `${bridge.address}:8088`, bridge.address);
  const listen = `${bridge.address}:8087`;
  const words = ["discovery", "serve", "--listen", listen, "--data-dir", tokensFolder];
  tokens = spawn(process.execPath, [argosy, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  await Promise.race([
    once(createInterface(tokens.stdout ?? assert.fail()), "line"),
    once(tokens, "exit").then(() => assert.fail("the discovery service ended")),
  ]);
  const token = (await (await fetch(`http://${listen}/new?size=3`)).text()).trim();
  machines = await Promise.all(
    numbers.map(async (number) =>
      Machine.start({
        name: `vm${number}`,
        folder: `${machinesFolder}/cluster-${process.pid}-${number}`,
        image: image.disk,
        cloudConfig: cloudConfig(token),
        place: bridge.place(number),
        memoryMiB: 1536,
        processors: 1,
      }),
    ),
  );
});

after(async () => {
  await Promise.all(machines.map((each) => each[Symbol.asyncDispose]()));
  tokens?.kill("SIGKILL");
  await rm(tokensFolder, { recursive: true, force: true });
  await bridge?.[Symbol.asyncDispose]();
  await service?.[Symbol.asyncDispose]();
});

function machine(number: number): Machine {
  return machines[number - 1] ?? assert.fail();
}

/** Asks again until the answer is as wanted; what cannot be waited for otherwise from outside a machine. */
async function until(what: string, ask: () => Promise<boolean>, limitMs = workLimitMs): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await ask())) {
    assert.ok(performance.now() < end, `it never came to be that ${what}`);
    await sleep(2000);
  }
}

test("three machines with one cloud-config and a discovery token become a cluster", async () => {
  await Promise.all(machines.map(({ console }) => console.waitFor(blessedPattern("1"), slowBootLimitMs)));
  await until("all are listed", async () => {
    const { stdout } = await machine(1).run("fleetctl list-machines --no-legend --full");
    return stdout.trim().split("\n").length === numbers.length;
  });
  await until(
    "the cluster is healthy",
    async () => (await machine(2).run("etcdctl cluster-health")).code === 0,
  );
  assert.equal((await machine(3).expect("etcdctl member list")).trim().split("\n").length, numbers.length);
});

test("fleet places a unit with a container twice, on different machines", async () => {
  await machine(1).expect("cat > /tmp/web@.service && cd /tmp && fleetctl submit web@.service", webUnit);
  await machine(1).expect("fleetctl start web@1.service web@2.service");
  await until("both answer", async () => (await answering()) === 2);
});

/** How many machines answer for the service. */
async function answering(): Promise<number> {
  const answers = await Promise.all(
    numbers.map(async (number) => {
      const url = `http://${bridge.place(number).address}:8000/`;
      return await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
        async (answer) => (await answer.text()) === "web\n",
        () => false,
      );
    }),
  );
  return answers.filter(Boolean).length;
}

test("all three get a new version and reboot one after the other, while the service answers", async () => {
  await service.publish("2");
  const watching = new AbortController();
  let asked = 0;
  let missed = 0;
  const watch = (async () => {
    while (!watching.signal.aborted) {
      asked += 1;
      if ((await answering()) === 0) missed += 1;
      await sleep(1000);
    }
  })();
  const order: string[] = [];
  const down = new Set<string>();
  let mostDown = 0;
  const reboots = numbers.map(async (number) => {
    const { name, console: screen } = machine(number);
    await screen.waitFor(/reboot: Restarting system/, numbers.length * slowBootLimitMs);
    down.add(name);
    mostDown = Math.max(mostDown, down.size);
    await until(`${name} is a member again`, async () => await isMember(number), slowBootLimitMs);
    down.delete(name);
    await screen.waitFor(blessedPattern("2"), slowBootLimitMs);
    order.push(name);
  });
  // All are told at once; the reboot lock has them wait for each other.
  // The first may be gone before it can answer.
  await Promise.all(machines.map(async (each) => await each.run("argosy update check")));
  await Promise.all(reboots);
  await until("the cluster is healthy again", async () => {
    return (await machine(1).run("etcdctl cluster-health")).code === 0;
  });
  await until("both answer again", async () => (await answering()) === 2);
  watching.abort();
  await watch;
  console.log(
    `updated ${order.join(", ")}, at most ${mostDown} down at once; asked ${asked} times meanwhile, ${missed} times nobody answered`,
  );
  for (const each of machines) {
    assert.equal(await each.expect(". /etc/os-release; echo $IMAGE_VERSION"), "2\n");
  }
  assert.equal(mostDown, 1);
  assert.equal(missed, 0);
});

/** Whether the etcd of a machine answers and knows a leader. */
async function isMember(number: number): Promise<boolean> {
  const url = `http://${bridge.place(number).address}:2379/health`;
  return await fetch(url, { signal: AbortSignal.timeout(5000) }).then(
    async (answer) => /"health":"true"/.test(await answer.text()),
    () => false,
  );
}
