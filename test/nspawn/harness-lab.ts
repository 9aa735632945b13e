import assert from "node:assert/strict";
import type { Finished } from "../../src/lab/programs.ts";
import { type FleetLab, openFleetLab } from "./fleet-lab.ts";

const port = 54728;

/** The machines of the lab. */
export const members = ["m1", "m2", "m3"];

/** What `stateOf` says of a unit that runs. */
export const isWell = "ActiveState=active\nResult=success\n";
/** What `stateOf` says of a unit that stopped as it was asked to. */
export const hasEnded = "ActiveState=inactive\nResult=success\n";

/** A service that says these words every second. */
export function talk(words: string): string {
  return `[Service]\nExecStart=/bin/sh -c 'while :; do echo "${words}"; sleep 1; done'\n`;
}

/**
 * fleet as fleet v1.0.0's own functional tests install it: both programs copied to a folder of their own, a service that a
 * cloud-config wrote in place of ours (without notifications, restarts and kill mode), a second socket, a store elsewhere,
 * and 3 seconds to live.
 */
export class HarnessLab {
  readonly cluster: FleetLab;

  constructor(cluster: FleetLab) {
    this.cluster = cluster;
  }

  /** Makes it afresh under this name; `labDown` takes it down. */
  static async open(name: string): Promise<HarnessLab> {
    const harness = new HarnessLab(await openFleetLab(name));
    await Promise.all(members.map(async (member) => await harness.#install(member)));
    return harness;
  }

  /** Back to a whole cluster without units, and with these files in the folder of m1 where fleetctl runs. */
  async reset(files: Readonly<Record<string, string>>): Promise<void> {
    for (const { name, id } of this.cluster.machines) {
      await this.cluster.shell(
        name,
        "iptables -F OUTPUT; systemctl kill --signal=KILL 'stubborn@*' 2>&1; true",
      );
      await this.#giveId(name, id);
    }
    await this.cluster.reset();
    await this.cluster.shell("m1", "rm -rf /root/units");
    for (const [name, text] of Object.entries(files))
      await this.cluster.writeFile("m1", `/root/units/${name}`, text);
  }

  async #install(name: string): Promise<void> {
    await this.cluster.systemctl(name, "stop", "fleet.service");
    await this.cluster.shell(name, "mkdir -p /opt/fleet; cp /usr/bin/fleetd /usr/bin/fleetctl /opt/fleet/");
    // Of the limits only the one of the stop differs in a lab, where machines give up earlier than systemd does elsewhere.
    await this.cluster.writeFile(
      name,
      "/root/cloud-config.yml",
      `#cloud-config

write_files:
 - path: /opt/fleet/fleet.conf
   content: |
    verbosity=2
    etcd_servers=["http://${this.cluster.machine("m1").address}:4001"]
    etcd_key_prefix=/functional/harness
    public_ip=${this.cluster.machine(name).address}
    agent_ttl=3s
 - path: /etc/systemd/system/fleet.service.d/limit.conf
   content: |
    [Service]
    TimeoutStopSec=90
coreos:
 units:
  - name: fleet.socket
    command: start
  - name: fleet-tcp.socket
    command: start
    content: |
     [Socket]
     ListenStream=${port}
     Service=fleet.service
  - name: fleet.service
    command: start
    content: |
     [Service]
     Environment=FLEET_METADATA=hostname=%H
     ExecStart=/opt/fleet/fleetd -config /opt/fleet/fleet.conf
`,
    );
    await this.cluster.shell(name, "coreos-cloudinit --from-file=/root/cloud-config.yml");
    assert.equal(await this.stateOf(name), isWell);
  }

  /** Makes this machine another one for fleet, which reads who it is when it starts. */
  async #giveId(name: string, id: string): Promise<void> {
    await this.cluster.shell(
      name,
      `[ $(cat /etc/machine-id) = ${id} ] || { echo ${id} > /etc/machine-id; systemctl restart fleet; }`,
    );
  }

  /** Leaves only m1 in the cluster, as in those tests that make one machine. */
  async onlyFirst(): Promise<void> {
    await this.leaves("m2", "m3");
  }

  /** Stops fleet on these machines, until the others are listed alone. */
  async leaves(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.cluster.systemctl(name, "stop", "fleet.service");
    const rest = members.length - names.length;
    await this.cluster.waitFor(
      "the others are listed",
      async () => (await this.lines("list-machines")).length === rest,
    );
  }

  /** Runs the copied fleetctl in the folder of units on m1. @param through the machine whose second socket it asks */
  async fleetctl(line: string, through = "m1"): Promise<Finished> {
    const endpoint = `http://${this.cluster.machine(through).address}:${port}`;
    return await this.cluster
      .machine("m1")
      .exec(["sh", "-c", `cd /root/units; /opt/fleet/fleetctl --endpoint=${endpoint} ${line}`]);
  }

  /** What a fleetctl that succeeds prints. */
  async said(line: string, through = "m1"): Promise<string> {
    const { code, stdout, stderr } = await this.fleetctl(line, through);
    assert.equal(code, 0, `fleetctl ${line}: ${stdout}${stderr}`);
    assert.doesNotMatch(stderr, /Error/, line);
    return stdout;
  }

  /** The lines of a listing, exactly as many as there are. */
  async lines(line: string, through = "m1"): Promise<readonly string[]> {
    const text = await this.said(`${line} --no-legend`, through);
    return text.split("\n").filter((each) => each !== "");
  }

  /** The units that are active, each with the ID of its machine. */
  async active(through = "m1"): Promise<ReadonlyMap<string, string>> {
    const rows = await this.lines("list-units --full --fields unit,active,machine", through);
    const found = rows.flatMap((row): [string, string][] => {
      const [unit = "", state, machine = ""] = row.split(/\s+/);
      return state === "active" ? [[unit, machine.split("/")[0] ?? ""]] : [];
    });
    assert.equal(new Set(found.map(([unit]) => unit)).size, found.length, rows.join("\n"));
    return new Map(found);
  }

  /** Waits until exactly these units are active, each on one machine; returns the IDs of these machines. */
  async untilActive(...names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    let found: ReadonlyMap<string, string> = new Map();
    await this.cluster.waitFor(`${names.join(", ")} are active and no other`, async () => {
      found = await this.active();
      return [...found.keys()].join() === [...names].toSorted().join();
    });
    return found;
  }

  /** How a machine's systemd finds a unit: its ActiveState and its Result. */
  async stateOf(machine: string, unit = "fleet"): Promise<string> {
    const property = (name: string): string => `systemctl show --property=${name} ${unit}`;
    return await this.cluster.shell(machine, `${property("ActiveState")}; ${property("Result")}`);
  }

  /** Waits until fleet on this machine has told since it began that its presence is overdue, in the words of fleet v1.0.0. */
  async untilOverdue(name: string): Promise<void> {
    await this.cluster.waitFor(`${name} notices`, async () =>
      (await this.cluster.shell(name, "journalctl _PID=$(pidof fleetd)")).includes(
        "Server monitor triggered: Monitor timed out before successful heartbeat",
      ),
    );
  }
}
