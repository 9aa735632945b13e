import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import type { Revision } from "../store/store.ts";
import type { UnitName } from "./model.ts";
import type { Attempt } from "./reconcile.ts";

/** What an agent has carried out, kept where a reboot clears it and a restart of the daemon does not. Nobody writes before the last write ended. */
export interface AttemptLog {
  read(): Promise<ReadonlyMap<UnitName, Attempt>>;
  write(attempts: ReadonlyMap<UnitName, Attempt>): Promise<void>;
}

/** An agent's memory of what it has carried out, written down after each change that has to outlast the daemon. */
export class AttemptBook {
  readonly #env: Env;
  readonly #log: AttemptLog;
  readonly #attempts = new Map<UnitName, Attempt>();
  /** Units whose start systemd has not taken yet. */
  readonly #unconfirmed = new Set<UnitName>();
  #loading: Promise<void> | undefined;
  #saving: Promise<void> | undefined;
  /** Something has changed since the last write began. */
  #unsaved = false;

  constructor(env: Env, log: AttemptLog) {
    this.#env = env;
    this.#log = log;
  }

  /** Reads what an earlier daemon wrote down; once, whoever asks first. */
  async load(): Promise<void> {
    this.#loading ??= this.#log.read().then((found) => {
      for (const [name, attempt] of found) this.#attempts.set(name, attempt);
    });
    await this.#loading;
  }

  get all(): ReadonlyMap<UnitName, Attempt> {
    return this.#attempts;
  }

  get(name: UnitName): Attempt | undefined {
    return this.#attempts.get(name);
  }

  set(name: UnitName, attempt: Attempt): void {
    this.#attempts.set(name, attempt);
    this.#unconfirmed.delete(name);
  }

  /** The unit is about to be started: a daemon that ends before `confirm` has the next one start what does not run. */
  begin(name: UnitName, attempt: Attempt): void {
    this.#attempts.set(name, attempt);
    this.#unconfirmed.add(name);
  }

  /** systemd has taken the start, or refused it for good: it is not given again. */
  readonly confirm = (name: UnitName): void => {
    if (this.#unconfirmed.delete(name)) void this.save();
  };

  /** The unit is about to be restarted: a daemon that ends before its attempt is set anew has the next one look whether it was. */
  async beginRestart(name: UnitName, restart: Revision, from: string): Promise<void> {
    const attempt = this.#attempts.get(name);
    if (attempt !== undefined) this.#attempts.set(name, { ...attempt, restarting: { restart, from } });
    await this.save();
  }

  /** Takes in what units turned out to be, and writes it down. */
  remember(attempts: ReadonlyMap<UnitName, Attempt>): void {
    if (attempts.size === 0) return;
    for (const [name, attempt] of attempts) this.set(name, attempt);
    void this.save();
  }

  delete(name: UnitName): void {
    this.#attempts.delete(name);
    this.#unconfirmed.delete(name);
  }

  clear(): void {
    this.#attempts.clear();
    this.#unconfirmed.clear();
  }

  /** Units that run here, as far as this agent knows, and must be stopped when the machine loses the store. */
  stoppedOnPartition(): readonly UnitName[] {
    return [...this.#attempts]
      .filter(([, { stopOnPartition }]) => stopOnPartition === true)
      .map(([name]) => name);
  }

  /** The unit is loaded and does not run: a start is to be given again. @param hash of its file, if nothing is known yet */
  setLoaded(name: UnitName, hash?: string): void {
    const known = this.#attempts.get(name)?.hash ?? hash;
    if (known !== undefined) this.set(name, { hash: known, reached: "loaded" });
  }

  /**
   * Writes everything down; a machine whose /run is full goes on, and may start a unit that ended once more. Writes are one after the
   * other, and what comes meanwhile is written once.
   */
  async save(): Promise<void> {
    this.#unsaved = true;
    this.#saving ??= this.#writeAll();
    await this.#saving;
  }

  async #writeAll(): Promise<void> {
    while (this.#unsaved) {
      this.#unsaved = false;
      const noted = new Map(this.#attempts);
      for (const name of this.#unconfirmed) {
        const attempt = noted.get(name);
        if (attempt !== undefined) noted.set(name, { ...attempt, unconfirmed: true });
      }
      await this.#log.write(noted).catch((error: unknown) => {
        this.#env.log.error(`cannot note which units were started: ${sentenceOf(error)}`);
      });
    }
    // In the same breath as the last look at what is unsaved: whoever saves from now on has it written anew.
    this.#saving = undefined;
  }
}
