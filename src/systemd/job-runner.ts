import type { UnitName } from "../fleet/model.ts";
import type { UnitOutcome, UnitRestart } from "../fleet/unit-manager.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { splitName } from "../unit/name.ts";
import { isRefusal } from "./bus.ts";
import { type JobEnd, Jobs } from "./jobs.ts";
import { isDown, type Manager } from "./manager.ts";
import type { UnitDirectory } from "./unit-directory.ts";

/** How long a start or stop may take before its batch is answered without it; the job itself goes on. */
const jobLimitMs = 15 * 60 * 1000;

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";

type Verb = "start" | "restart";

/** Starts and stops units of ours and says in one sentence why one could not be. */
export class JobRunner {
  readonly #env: Env;
  readonly #manager: Manager;
  readonly #directory: UnitDirectory;
  readonly #jobs = new Jobs();

  constructor(env: Env, manager: Manager, directory: UnitDirectory) {
    this.#env = env;
    this.#manager = manager;
    this.#directory = directory;
  }

  /** Resolves when the start job has ended, or when systemd refuses to make one; `taken` is called once there is a job. */
  async start(name: UnitName, taken?: (name: UnitName) => void): Promise<UnitOutcome> {
    return await this.#run("start", name, taken);
  }

  /**
   * As `start`, for a restart job. When this daemon or the bus went away before systemd's answer to an earlier call came, only
   * the unit can tell whether systemd heard it: one that has been started anew since is not restarted again.
   */
  async restart({ name, from }: UnitRestart, taken?: (name: UnitName) => void): Promise<UnitOutcome> {
    const impossible = this.#whyNot("restart", name);
    if (impossible !== undefined) return { name, problem: impossible };
    if (from !== undefined && (await this.#isAnew(name, from))) return { name };
    return await this.#run("restart", name, taken);
  }

  async #run(verb: Verb, name: UnitName, taken?: (name: UnitName) => void): Promise<UnitOutcome> {
    const impossible = this.#whyNot(verb, name);
    if (impossible !== undefined) return { name, problem: impossible };
    let end: JobEnd;
    try {
      const job = await this.#manager[verb](name);
      taken?.(name);
      end = await this.#end(job);
    } catch (error) {
      if (!isFault(error, "bus-refused")) throw error;
      const problem = `cannot ${verb} ${name}: systemd says: ${sentenceOf(error)}`;
      // The unit itself was found a moment ago: what is missing is one that its Requires or BindsTo names.
      return isRefusal(error, noSuchUnit) ? { name, problem, lacksUnit: true } : { name, problem };
    }
    const problem = await this.#problemWithEnd(verb, name, end);
    return problem === undefined ? { name } : { name, problem };
  }

  #whyNot(verb: Verb, name: UnitName): string | undefined {
    if (splitName(name)?.isTemplate)
      return `cannot ${verb} ${name}: it is a template; ${verb} an instance of it`;
    return this.#directory.has(name) ? undefined : `cannot ${verb} ${name}: it is not loaded; load it first`;
  }

  async #problemWithEnd(verb: Verb, name: UnitName, end: JobEnd): Promise<string | undefined> {
    if (end.kind === "late") {
      return `cannot say that ${name} ${verb}ed: it is still starting after ${jobLimitMs / 60_000} minutes; see systemctl status ${name}`;
    }
    if (end.kind === "ended" && end.result === "unsupported") {
      const type = name.slice(name.lastIndexOf(".") + 1);
      return `cannot ${verb} ${name}: systemd supports no ${type} units on this machine`;
    }
    const failed = end.kind === "lost" ? await this.#isFailed(name) : !isGood(end.result);
    if (!failed) return undefined;
    const how = end.kind === "lost" || end.result === "failed" ? "failed" : `ended as "${end.result}"`;
    const result = await this.#manager.result(name);
    const because = result === undefined || result === "success" ? "" : ` (result ${result})`;
    return `cannot ${verb} ${name}: its ${verb} job ${how}${because}; see journalctl -u ${name}`;
  }

  /** Resolves when the stop job has ended, that is when the processes are gone. A unit systemd does not have is stopped. */
  async stop(name: UnitName): Promise<string | undefined> {
    if (splitName(name)?.isTemplate || !this.#directory.has(name)) return undefined;
    let end: JobEnd;
    try {
      end = await this.#end(await this.#manager.stop(name));
    } catch (error) {
      if (isRefusal(error, noSuchUnit)) return undefined;
      if (!isFault(error, "bus-refused")) throw error;
      return `cannot stop ${name}: systemd says: ${sentenceOf(error)}`;
    }
    if (end.kind === "ended" && isGood(end.result)) return undefined;
    const [held] = await this.#manager.unitsHeld([name]);
    if (held === undefined || isDown(held)) return undefined;
    const how = end.kind === "ended" ? `its stop job ended as "${end.result}" and it` : "it";
    return `cannot stop ${name}: ${how} is still ${held.active}; see systemctl status ${name}`;
  }

  /** Ends the processes of a unit now; one that has none is no problem. */
  async kill(name: UnitName): Promise<string | undefined> {
    if (splitName(name)?.isTemplate || !this.#directory.has(name)) return undefined;
    try {
      await this.#manager.kill(name);
    } catch (error) {
      if (!isFault(error, "bus-refused")) throw error;
      const [held] = await this.#manager.unitsHeld([name]);
      if (held !== undefined && !isDown(held))
        return `cannot kill ${name}: systemd says: ${sentenceOf(error)}`;
    }
    return undefined;
  }

  /** A JobRemoved signal came. */
  removed(path: string, result: string): void {
    this.#jobs.removed(path, result);
  }

  /** Signals were missed: asks for every awaited job whether it is still there. */
  async reconsider(): Promise<void> {
    await Promise.all(
      this.#jobs.awaited().map(async (path) => {
        try {
          await this.#manager.requireJob(path);
        } catch (error) {
          if (!isFault(error, "bus-refused")) throw error;
          this.#jobs.lose(path);
        }
      }),
    );
  }

  /** Nothing more will be heard of any job. */
  close(): void {
    for (const path of this.#jobs.awaited()) this.#jobs.lose(path);
  }

  async #end(path: string): Promise<JobEnd> {
    const timely = new AbortController();
    const late = this.#env.clock.sleep(jobLimitMs, timely.signal).then(
      () => this.#jobs.giveUp(path),
      () => undefined,
    );
    const end = await this.#jobs.wait(path);
    timely.abort();
    await late;
    return end;
  }

  /** Whether the unit has been started since it had this invocation. systemd forgets that of a unit that has ended. */
  async #isAnew(name: UnitName, from: string): Promise<boolean> {
    const now = await this.#manager.invocation(name);
    return now !== "" && now !== from;
  }

  async #isFailed(name: UnitName): Promise<boolean> {
    const [held] = await this.#manager.unitsHeld([name]);
    return held?.active === "failed";
  }
}

/** `skipped` is a job with nothing to do. */
function isGood(result: string): boolean {
  return result === "done" || result === "skipped";
}
