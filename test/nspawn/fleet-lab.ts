import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { UnitEntity, UnitReport } from "../../src/fleet/api-entities.ts";
import type { TargetState } from "../../src/fleet/model.ts";
import { fleetKeys } from "../../src/fleet/registry.ts";
import { type Lab, labDown, labUp } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";
import { builtProduct } from "../../src/lab/product.ts";
import { type Finished, runProgram } from "../../src/lab/programs.ts";
import { parseUnitFile } from "../../src/unit/parse.ts";

/** So long that only what never comes true reaches it. */
const waitLimitMs = 120_000;
/** Above the time the API keeps a request for changes open. */
const answerLimitMs = 45_000;
const lookAgainMs = 150;

/** A service that runs until it is stopped. */
export const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n";

/** What systemd on one machine says of a unit. */
export interface Process {
  readonly active: string;
  readonly mainPid: string;
  readonly invocation: string;
}

/** Lists over the API and the systemd of every machine, for tests of a whole cluster. */
export class FleetLab {
  lab: Lab;
  #barriers = 0;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  get machines(): readonly Machine[] {
    return this.lab.machines;
  }

  machine(name: string): Machine {
    return this.lab.machine(name);
  }

  /** The name of the machine with this machine-id. */
  nameOf(id: string | undefined): string {
    return this.machines.find((machine) => machine.id === id)?.name ?? `no machine (${id ?? "unplaced"})`;
  }

  /** Adds machines until there are this many, and waits until they belong to the cluster. */
  async grow(machines: number): Promise<void> {
    this.lab = await labUp({ name: this.lab.name, machines, product: await builtProduct(report) });
  }

  /** Asks a machine's fleet API; `path` begins behind the address. */
  async ask(through: string, path: string, request: RequestInit = {}): Promise<Response> {
    const url = `${this.machine(through).fleetApi}${path}`;
    // A connection that is kept may lead to a machine that has lost its power since.
    const headers = { ...Object.fromEntries(new Headers(request.headers)), connection: "close" };
    return await fetch(url, { ...request, headers, signal: AbortSignal.timeout(answerLimitMs) });
  }

  /** `PUT /units/NAME` with the options of `text`; returns the answer, whatever it is. */
  async tryPut(name: string, text: string, target?: string, through = "m1"): Promise<Response> {
    const desired = target === undefined ? {} : { desiredState: target };
    return await this.ask(through, `/fleet/v1/units/${encodeURIComponent(name)}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name, options: parseUnitFile(text).file, ...desired }),
    });
  }

  /** Creates a unit, or gives it another text. */
  async put(name: string, text: string, target: TargetState = "launched", through = "m1"): Promise<void> {
    await this.#caughtUp(through);
    const answer = await this.tryPut(name, text, target, through);
    assert.equal(answer.status, 201, await answer.text());
  }

  async setTarget(name: string, target: TargetState, through = "m1"): Promise<void> {
    await this.#caughtUp(through);
    const answer = await this.tryPut(name, "", target, through);
    assert.equal(answer.status, 204, await answer.text());
  }

  async destroy(name: string, through = "m1"): Promise<void> {
    await this.#caughtUp(through);
    const answer = await this.ask(through, `/fleet/v1/units/${encodeURIComponent(name)}`, {
      method: "DELETE",
    });
    assert.equal(answer.status, 204, await answer.text());
  }

  /** Asks a machine's API, as soon as it knows of every change that was made through another machine before. */
  async read(through: string, path: string): Promise<Response> {
    await this.#caughtUp(through);
    return await this.ask(through, path);
  }

  async units(through = "m1"): Promise<readonly UnitEntity[]> {
    const units: UnitEntity[] = [];
    let page = "";
    do {
      const answer = await this.read(through, `/fleet/v1/units${page}`);
      assert.equal(answer.status, 200);
      const body = (await answer.json()) as { units?: UnitEntity[]; nextPageToken?: string };
      units.push(...(body.units ?? []));
      page = body.nextPageToken === undefined ? "" : `?nextPageToken=${body.nextPageToken}`;
    } while (page !== "");
    return units;
  }

  /** What a machine's API knows of a unit at this moment. */
  async report(name: string, through = "m1"): Promise<UnitReport> {
    await this.#caughtUp(through);
    const { reports } = await this.#changes([name], 0, through);
    const found = reports.find((each) => each.name === name);
    assert(found !== undefined, `${through} reports on ${name}`);
    return found;
  }

  /**
   * Waits until the units are as `done` says, hearing of their changes from one machine's API.
   * @param awaited what is waited for, for the message of a failure
   */
  async until(
    names: readonly string[],
    awaited: string,
    done: (report: UnitReport) => boolean,
    through = "m1",
  ): Promise<ReadonlyMap<string, UnitReport>> {
    await this.#caughtUp(through);
    const end = performance.now() + waitLimitMs;
    const known = new Map<string, UnitReport>();
    for (let after = 0; ; ) {
      try {
        const { revision, reports } = await this.#changes(names, after, through);
        for (const each of reports) known.set(each.name, each);
        after = revision;
      } catch (error) {
        if (performance.now() > end) throw error;
        await sleep(lookAgainMs);
      }
      const missing = names.filter((name) => {
        const found = known.get(name);
        return found === undefined || !done(found);
      });
      if (missing.length === 0) return known;
      if (performance.now() > end) {
        const seen = JSON.stringify(missing.map((name) => known.get(name) ?? name));
        assert.fail(`waited in vain until ${awaited}; ${through} shows ${seen}`);
      }
    }
  }

  /**
   * Every machine answers from a copy of its own. Waits until that of one machine is as new as this moment: it answers
   * a write, here of a machine that does not exist, when its copy shows it.
   */
  async #caughtUp(through: string): Promise<void> {
    await this.waitFor(`${through} has caught up with the others`, async () => {
      const value = String(++this.#barriers);
      const body = JSON.stringify([{ op: "add", path: "/nobody/metadata/barrier", value }]);
      const answer = await this.ask(through, "/fleet/v1/machines", { method: "PATCH", body }).catch(
        () => undefined,
      );
      return answer?.status === 204;
    });
  }

  async #changes(
    names: readonly string[],
    after: number,
    through: string,
  ): Promise<{ revision: number; reports: readonly UnitReport[] }> {
    const query = names.map((name) => `&unit=${encodeURIComponent(name)}`).join("");
    const answer = await this.ask(through, `/argosy/v1/changes?after=${after}${query}`);
    if (answer.status !== 200) assert.fail(`${through} answers ${answer.status}: ${await answer.text()}`);
    const { revision, units } = (await answer.json()) as { revision: number; units: UnitReport[] };
    return { revision, reports: units };
  }

  /** Waits until each unit is active on the machine it is placed on; returns the names of these machines, in order. */
  async untilRunning(names: readonly string[], through = "m1"): Promise<readonly string[]> {
    const reports = await this.until(names, `${names.join(", ")} run`, isRunning, through);
    return names.map((name) => this.nameOf(reports.get(name)?.machine?.id));
  }

  /** Waits until no machine shows a state of these units and the registry does not know them. */
  async untilGone(names: readonly string[], through = "m1"): Promise<void> {
    const gone = (unit: UnitReport): boolean => unit.desiredState === undefined && unit.states.length === 0;
    await this.until(names, `${names.join(", ")} are gone`, gone, through);
  }

  /** Waits for what nothing announces. */
  async waitFor(awaited: string, done: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + waitLimitMs;
    while (!(await done())) {
      assert(performance.now() < end, `waited in vain until ${awaited}`);
      await sleep(lookAgainMs);
    }
  }

  /** What a machine's own systemd says of a unit. */
  async process(machine: string, unit: string): Promise<Process> {
    const properties = "ActiveState,MainPID,InvocationID";
    const { stdout } = await this.machine(machine).exec([
      "systemctl",
      "show",
      `--property=${properties}`,
      unit,
    ]);
    const value = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(stdout)?.[1] ?? "";
    return { active: value("ActiveState"), mainPid: value("MainPID"), invocation: value("InvocationID") };
  }

  /** The machines whose systemd runs the unit, those that are off left out. */
  async machinesRunning(unit: string): Promise<readonly string[]> {
    const names: string[] = [];
    for (const machine of this.machines) {
      if (!(await machine.isRunning())) continue;
      const { active } = await this.process(machine.name, unit);
      if (active !== "inactive" && active !== "failed") names.push(machine.name);
    }
    return names;
  }

  /** The ID of the machine whose engine leads, as the store has it. */
  async leaderId(through = "m1"): Promise<string> {
    const { address } = this.machine(through);
    const key = Buffer.from(fleetKeys.leader).toString("base64");
    let leader = "";
    await this.waitFor("an engine leads", async () => {
      const answer = await fetch(`http://${address}:2379/v3/kv/range`, {
        method: "POST",
        // A connection that is kept may lead to a machine that has lost its power since.
        headers: { Connection: "close" },
        body: JSON.stringify({ key }),
      });
      const { kvs = [] } = (await answer.json()) as { kvs?: readonly { value: string }[] };
      leader = Buffer.from(kvs[0]?.value ?? "", "base64").toString();
      return leader !== "";
    });
    return leader;
  }

  /** Runs units' processes as every machine's systemd has them: to compare before and after a disturbance. */
  async snapshot(units: readonly string[]): Promise<Readonly<Record<string, Process>>> {
    const found: Record<string, Process> = {};
    for (const machine of this.machines) {
      if (!(await machine.isRunning())) continue;
      for (const unit of units) {
        const process = await this.process(machine.name, unit);
        if (process.active === "active") found[`${unit} on ${machine.name}`] = process;
      }
    }
    return found;
  }

  /** Each machine's systemd agrees that the unit runs on one machine only, or fails naming where it runs. */
  async runsOnce(units: readonly string[]): Promise<void> {
    for (const unit of units) {
      const running = await this.machinesRunning(unit);
      assert.equal(running.length, 1, `${unit} runs on ${running.join(" and ") || "no machine"}`);
    }
  }

  async systemctl(machine: string, ...words: readonly string[]): Promise<Finished> {
    const finished = await this.machine(machine).exec(["systemctl", ...words]);
    assert.equal(finished.code, 0, `${machine}: systemctl ${words.join(" ")}: ${finished.stderr}`);
    return finished;
  }

  /** Runs a script in a machine's shell and returns what it printed; fails when it fails. */
  async shell(machine: string, script: string): Promise<string> {
    const { code, stdout, stderr } = await this.machine(machine).exec(["sh", "-c", script]);
    assert.equal(code, 0, `${machine}: ${script}: ${stderr}`);
    return stdout;
  }

  async fleetctl(machine: string, ...words: readonly string[]): Promise<Finished> {
    await this.#caughtUp(machine);
    return await this.machine(machine).exec(["fleetctl", ...words]);
  }

  /** Puts a file onto a machine's disk, as a user does before he names it to fleetctl. */
  async writeFile(machine: string, path: string, text: string): Promise<void> {
    const outside = `${this.machine(machine).rootDirectory}${path}`;
    await mkdir(dirname(outside), { recursive: true });
    await writeFile(outside, text);
  }

  /** Gives every machine another time to live. All leave the cluster meanwhile, because a lease keeps the one it has. */
  async setTimeToLive(ttl: string): Promise<void> {
    await this.#everywhere(async (machine) => {
      const path = `${machine.rootDirectory}/etc/fleet/fleet.conf`;
      const text = await readFile(path, "utf8");
      await this.systemctl(machine.name, "stop", "fleet");
      await this.writeFile(
        machine.name,
        "/etc/fleet/fleet.conf",
        text.replace(/^agent_ttl=.*$/m, `agent_ttl="${ttl}"`),
      );
    });
    await this.#everywhere((machine) => this.systemctl(machine.name, "start", "fleet"));
    await this.untilWhole();
  }

  /** Waits until every machine that runs lists exactly those that run, as the store has them at this moment. */
  async untilWhole(): Promise<void> {
    const running: Machine[] = [];
    for (const machine of this.machines) if (await machine.isRunning()) running.push(machine);
    const wanted = running.map(({ id }) => id).sort();
    for (const machine of running) {
      const names = running.map(({ name }) => name).join(", ");
      // What it lists may be from before the store was away.
      await this.#caughtUp(machine.name);
      await this.waitFor(`${machine.name} lists ${names}`, async () => {
        const listed = await this.present(machine.name);
        return JSON.stringify(listed) === JSON.stringify(wanted);
      });
    }
  }

  /** The ids of the machines that a machine's API lists, sorted; none while it does not answer. */
  async present(through: string): Promise<readonly string[]> {
    try {
      const answer = await this.ask(through, "/fleet/v1/machines");
      const body = (await answer.json()) as { machines?: readonly { id: string }[] };
      return (body.machines ?? []).map(({ id }) => id).sort();
    } catch {
      return [];
    }
  }

  /** Back to a whole cluster without units: for the begin of a test. */
  async reset(): Promise<void> {
    for (const machine of this.machines) {
      await machine.restoreLink();
      if (!(await machine.isRunning())) await this.lab.revive(machine.name);
    }
    await this.#everywhere((machine) =>
      machine.exec(["systemctl", "start", "etcd-member.service", "etcd.service", "fleet.service"]),
    );
    await this.untilWhole();
    const names = (await this.units()).map(({ name }) => name);
    for (const name of names) await this.destroy(name);
    if (names.length > 0) await this.untilGone(names);
  }

  async #everywhere(work: (machine: Machine) => Promise<unknown>): Promise<void> {
    await Promise.all(this.machines.map(async (machine) => await work(machine)));
  }

  /** Prints what every machine's daemons said last: for a test that failed. */
  async printJournals(): Promise<void> {
    for (const machine of this.machines) {
      for (const unit of ["fleet", "etcd", "etcd-member"]) {
        const words = [
          "--no-pager",
          "--quiet",
          `--unit=${unit}.service`,
          "--lines=100",
          "--output=short-precise",
        ];
        const { stdout } = (await machine.isRunning())
          ? await machine.exec(["journalctl", ...words])
          : await runProgram("journalctl", [...words, `--directory=${machine.journalFolder}`]);
        report(`----- ${machine.name} ${unit}\n${stdout}`);
      }
    }
  }
}

/** A lab with the product on all its machines, made afresh under this name. The caller takes it down with `labDown`. */
export async function openFleetLab(name: string, machines = 3): Promise<FleetLab> {
  await labDown(name);
  const product = await builtProduct(report);
  return new FleetLab(await labUp({ name, machines, product, progress: report }));
}

/** Whether a unit that is not global is active where it is placed. */
export function isRunning({ machine, states }: UnitReport): boolean {
  return states.some((state) => state.machine.id === machine?.id && state.active === "active");
}

/** The machines a report shows the unit active on. */
export function activeOn({ states }: UnitReport): readonly string[] {
  return states.filter(({ active }) => active === "active").map(({ machine }) => machine.id);
}

/** The message in an error's body (fleet v1.0.0 API). */
export async function messageOf(answer: Response): Promise<string> {
  const body = (await answer.json()) as { error?: { message?: string } };
  return body.error?.message ?? "";
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
