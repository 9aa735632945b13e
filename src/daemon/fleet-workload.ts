import type { StateReport, UnitReport } from "../fleet/api-entities.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import { type MachineReport, staysAtDrain } from "../fleet/machine-report.ts";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, isFault } from "../lib/fault.ts";
import type { Share, Workload } from "../locksmith/workload.ts";

const retry: Backoff = { firstMs: 500, mostMs: 15_000 };
/** Units that a drain has on the move at the same time. */
const mostMoving = 1;

/** One machine's units, through the API of its fleet. */
export class FleetWorkload implements Workload {
  readonly #env: Env;
  readonly #client: FleetClient;
  readonly #id: string;

  constructor(env: Env, client: FleetClient, id: string) {
    this.#env = env;
    this.#client = client;
    this.#id = id;
  }

  async share(): Promise<Share> {
    return await answered(async () => {
      const machines = (await this.#client.machineReports()) ?? [];
      const me = machines.find(({ id }) => id === this.#id);
      if (me === undefined) throw new Fault("workload-unavailable", "fleet does not know this machine yet");
      const names = me.units.map(({ name }) => name);
      const reports = names.length === 0 ? [] : ((await this.#client.changes(names, 0))?.units ?? []);
      const well = reports.filter((unit) => this.#isWellHere(unit));
      return {
        taking: me.state,
        since: me.since,
        others: machines.filter(({ id, present, state }) => id !== this.#id && present && state === "ready")
          .length,
        well: {
          global: well.filter((unit) => unit.global).map(({ name }) => name),
          placed: well.filter((unit) => !unit.global).map(({ name }) => name),
        },
        wanted: reports.filter((unit) => this.#isWantedHere(unit)).map(({ name }) => name),
      };
    });
  }

  async drain(): Promise<string | undefined> {
    const { machine } = await answered(() => this.#client.changeMachine(this.#id, "drain", mostMoving));
    return machine.since;
  }

  async cordon(): Promise<void> {
    await answered(() => this.#client.changeMachine(this.#id, "cordon"));
  }

  async uncordon(): Promise<void> {
    await answered(() => this.#client.changeMachine(this.#id, "uncordon"));
  }

  async untilDrained(tell: (sentence: string) => void, signal: AbortSignal): Promise<void> {
    let known: string | undefined;
    let told = "";
    for (let failures = 0; ; ) {
      try {
        const report = await this.#client.machineReport(this.#id, known, signal);
        failures = 0;
        if (report === undefined) throw new Fault("workload-unavailable", "fleet does not know this machine");
        known = report.version;
        const { state, units } = report.machine;
        if (state !== "draining" || units.every(staysAtDrain)) return;
        const sentence = stillHere(units);
        if (sentence !== told) tell(sentence);
        told = sentence;
      } catch (error) {
        failures = await this.#pause(error, failures, signal);
      }
    }
  }

  async untilWell(
    units: { readonly here: readonly string[]; readonly placed: readonly string[] },
    tell: (sentence: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#untilPresent(tell, signal);
    const names = [...units.here, ...units.placed];
    if (names.length === 0) return;
    const here = new Set(units.here);
    const known = new Map<string, UnitReport>();
    let after = 0;
    let told = "";
    for (let failures = 0; ; ) {
      try {
        const changes = await this.#client.changes(names, after, signal);
        failures = 0;
        for (const unit of changes?.units ?? []) known.set(unit.name, unit);
        after = changes?.revision ?? 0;
        const unwell = names.filter((name) => !this.#isWellAgain(known.get(name), here.has(name)));
        if (unwell.length === 0) return;
        const sentence = `${listed(unwell)} ${unwell.length === 1 ? "is" : "are"} not well again`;
        if (sentence !== told) tell(sentence);
        told = sentence;
      } catch (error) {
        failures = await this.#pause(error, failures, signal);
      }
    }
  }

  async #untilPresent(tell: (sentence: string) => void, signal: AbortSignal): Promise<void> {
    let known: string | undefined;
    for (let failures = 0; ; ) {
      try {
        const report = await this.#client.machineReport(this.#id, known, signal);
        failures = 0;
        if (report?.machine.present === true) return;
        if (known === undefined) tell("this machine has not joined the cluster again");
        if (report === undefined) throw new Fault("workload-unavailable", "fleet does not know this machine");
        known = report.version;
      } catch (error) {
        failures = await this.#pause(error, failures, signal);
      }
    }
  }

  /** Waits before the API is asked again, and gives the number of failures in a row. */
  async #pause(error: unknown, failures: number, signal: AbortSignal): Promise<number> {
    if (signal.aborted || !isFault(error)) throw error;
    if (failures === 0) this.#env.log.warning(`cannot ask fleet: ${error.message}; asks again`);
    await this.#env.clock.sleep(pauseMs(retry, failures + 1, this.#env.random()), signal);
    return failures + 1;
  }

  #isWantedHere({ desiredState, global, machine }: UnitReport): boolean {
    return desiredState === "launched" && (global || machine?.id === this.#id);
  }

  #isWellHere(unit: UnitReport): boolean {
    return this.#stateHere(unit)?.active === "active";
  }

  /** A unit that is wanted no more is nobody's trouble, and so is one that has another place by now. */
  #isWellAgain(unit: UnitReport | undefined, mustBeHere: boolean): boolean {
    if (unit === undefined) return false;
    if (unit.desiredState !== "launched") return true;
    if (!mustBeHere && unit.machine !== undefined && unit.machine.id !== this.#id) return true;
    const state = this.#stateHere(unit);
    return state !== undefined && state.hash === unit.hash && ["active", "reloading"].includes(state.active);
  }

  #stateHere({ states }: UnitReport): StateReport | undefined {
    return states.find(({ machine }) => machine.id === this.#id);
  }
}

const mostNames = 5;

function listed(names: readonly string[]): string {
  return names.slice(0, mostNames).join(", ") + (names.length > mostNames ? ", ..." : "");
}

function stillHere(units: MachineReport["units"]): string {
  const leaving = units.filter((unit) => !staysAtDrain(unit));
  const [stuck] = leaving.filter(({ state }) => state === "stays");
  const why = stuck?.reasons?.[0]?.why;
  const reason = stuck === undefined || why === undefined ? "" : `; ${stuck.name} cannot leave: ${why}`;
  return `${leaving.length} unit(s) still leave this machine: ${listed(leaving.map(({ name }) => name))}${reason}`;
}

/** What the API refuses or does not answer, as the Fault of a Workload. */
async function answered<Result>(ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (!isFault(error) || error.code === "workload-unavailable") throw error;
    throw new Fault("workload-unavailable", `cannot ask fleet: ${error.message}`, { cause: error });
  }
}
