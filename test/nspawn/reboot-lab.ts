import { setTimeout as sleep } from "node:timers/promises";
import { request } from "node:http";
import type { MachineRecord } from "../../src/locksmith/reboot-board.ts";
import type { FleetLab } from "./fleet-lab.ts";

const lockUrl = "/v2/keys/coreos.com/updateengine/rebootlock?recursive=true&quorum=true";
const answerLimitMs = 2_000;
/** Between two requests to the service. */
const restMs = 20;

interface KeyNode {
  readonly key: string;
  readonly value?: string;
  readonly nodes?: readonly KeyNode[];
}

/** What the store holds about reboots. */
export interface RebootsSeen {
  readonly holders: readonly string[];
  readonly queue: readonly string[];
  readonly records: ReadonlyMap<string, MachineRecord>;
}

/** Has locksmithd run on every machine, which in a container it would not; `environment` is its settings. */
export async function startLocksmith(cluster: FleetLab, environment: readonly string[] = []): Promise<void> {
  const lines = environment.map((line) => `Environment=${line}\n`).join("");
  const dropIn = `[Unit]\nConditionVirtualization=\n[Service]\n${lines}`;
  await Promise.all(
    cluster.machines.map(async ({ name }) => {
      await cluster.writeFile(name, "/etc/systemd/system/locksmithd.service.d/lab.conf", dropIn);
      await cluster.writeFile(name, "/etc/coreos/update.conf", "REBOOT_STRATEGY=etcd-lock\n");
      await cluster.systemctl(name, "daemon-reload");
      await cluster.systemctl(name, "restart", "locksmithd.service");
    }),
  );
  await untilSteady(cluster);
}

/** What one machine's keys API shows; undefined while it does not answer. */
export async function rebootsSeen(cluster: FleetLab, through: string): Promise<RebootsSeen | undefined> {
  try {
    const answer = await fetch(`${cluster.machine(through).keysApi}${lockUrl}`, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(answerLimitMs),
    });
    if (!answer.ok) return undefined;
    const { node } = (await answer.json()) as { node: KeyNode };
    const children = (name: string): readonly KeyNode[] =>
      node.nodes?.find(({ key }) => key.endsWith(`/${name}`))?.nodes ?? [];
    const semaphore = node.nodes?.find(({ key }) => key.endsWith("/semaphore"))?.value ?? "{}";
    const { holders } = JSON.parse(semaphore) as { holders?: string[] | null };
    const records = children("machines").map(({ value = "" }) => JSON.parse(value) as MachineRecord);
    return {
      holders: (holders ?? []).map((id) => cluster.nameOf(id)),
      queue: children("queue").map(({ value = "" }) =>
        cluster.nameOf((JSON.parse(value) as { id: string }).id),
      ),
      records: new Map(records.map((record) => [cluster.nameOf(record.id), record])),
    };
  } catch {
    return undefined;
  }
}

/** Waits until what a machine shows about reboots is as `done` says. */
export async function untilSeen(
  cluster: FleetLab,
  awaited: string,
  done: (seen: RebootsSeen) => boolean,
  through = "m1",
): Promise<void> {
  await cluster.waitFor(awaited, async () => {
    const seen = await rebootsSeen(cluster, through);
    return seen !== undefined && done(seen);
  });
}

/** Waits until every machine is steady and nobody holds a slot. */
export async function untilSteady(cluster: FleetLab): Promise<void> {
  await untilSeen(
    cluster,
    "every machine is steady and no slot is held",
    ({ holders, records }) =>
      holders.length === 0 && cluster.machines.every(({ name }) => records.get(name)?.phase === "steady"),
  );
}

/** The boots that the machines' daemons tell of. */
export async function bootsSeen(cluster: FleetLab): Promise<ReadonlyMap<string, string>> {
  const boots = new Map<string, string>();
  await untilSeen(cluster, "every machine tells of its boot", ({ records }) => {
    for (const [name, { boot }] of records) boots.set(name, boot);
    return boots.size === cluster.machines.length;
  });
  return boots;
}

/** Waits until machines tell of another boot than before. */
export async function untilRebooted(
  cluster: FleetLab,
  machines: readonly string[],
  earlier: ReadonlyMap<string, string>,
): Promise<void> {
  for (const name of machines)
    await untilSeen(cluster, `${name} has booted again`, ({ records }) => {
      const boot = records.get(name)?.boot;
      return boot !== undefined && boot !== earlier.get(name);
    });
}

/** How often a machine has booted, by its journal. */
export async function bootsOf(cluster: FleetLab, machine: string): Promise<number> {
  const boots = await cluster.shell(machine, "journalctl --list-boots --no-pager --quiet | wc -l");
  return Number(boots.trim());
}

/** The moments at which locksmithd said something, in ms since 1970. */
export async function momentsOf(
  cluster: FleetLab,
  machine: string,
  text: string,
): Promise<readonly number[]> {
  const lines = await cluster.shell(
    machine,
    `journalctl --sync; journalctl --unit=locksmithd --no-pager --quiet --output=short-unix | grep -F '${text}' || true`,
  );
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Number(line.split(" ", 1)[0]) * 1000);
}

/**
 * A steady stream of requests to a service, from a client that knows every machine and asks the next one when one refuses, as a
 * balancer does.
 */
export class RequestStream {
  readonly #addresses: readonly string[];
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;
  /** Which machine answered last. */
  #at = 0;
  answered = 0;
  /** Requests that no machine took. */
  failed = 0;
  /** Connections that a machine took and lost. */
  broken = 0;

  /** Begins at once. @param port of the service on each machine */
  constructor(addresses: readonly string[], port: number) {
    this.#addresses = addresses.map((address) => `http://${address}:${port}/`);
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      if (await this.#ask()) this.answered++;
      else this.failed++;
      await sleep(restMs);
    }
  }

  async #ask(): Promise<boolean> {
    for (let turn = 0; turn < this.#addresses.length; turn++) {
      const at = (this.#at + turn) % this.#addresses.length;
      const outcome = await once(this.#addresses[at] ?? "");
      if (outcome === "broken") this.broken++;
      if (outcome !== "answered") continue;
      this.#at = at;
      return true;
    }
    return false;
  }
}

/** `refused`: no connection came about; `broken`: it was lost before the answer. */
async function once(url: string): Promise<"answered" | "refused" | "broken"> {
  return await new Promise((resolve) => {
    let isConnected = false;
    const asking = request(url, { agent: false, timeout: answerLimitMs }, (answer) => {
      answer.on("error", () => resolve("broken"));
      answer.on("end", () => resolve(answer.statusCode === 200 ? "answered" : "broken"));
      answer.resume();
    });
    asking.on("socket", (socket) => socket.once("connect", () => (isConnected = true)));
    asking.on("timeout", () => asking.destroy(new Error("no answer")));
    asking.on("error", () => resolve(isConnected ? "broken" : "refused"));
    asking.end();
  });
}

/** A web server, one at most on each machine. */
export const webServer =
  "[Service]\n" +
  "ExecStartPre=/bin/sh -c 'mkdir -p /run/web && echo well > /run/web/index.html'\n" +
  "ExecStart=/bin/busybox httpd -f -p 8080 -h /run/web\n" +
  "[X-Fleet]\nConflicts=web-*.service\n";
