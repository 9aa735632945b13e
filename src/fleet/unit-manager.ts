import type { UnitName } from "./model.ts";

/**
 * One machine's service manager, as fleet's agent needs it. Implemented by systemd over D-Bus (`src/systemd/`) and by
 * a fake; `unit-manager-contract.ts` beside this file is the suite both pass.
 *
 * "Ours" are the units whose files lie in the units directory of fleet. No call touches any other unit.
 * Every call works on a batch and reports unit by unit: a broken unit never spoils the others.
 */
export interface UnitManager {
  /** All units that are ours with their present state, read afresh from the manager. Throws Fault `manager-unavailable`. */
  list(): Promise<readonly ManagedUnit[]>;

  /**
   * Writes the unit files, links them for this boot (and enables those with an [Install] section), and makes the manager
   * read them, with one reload at most for the whole batch and none when it has not seen any of them before.
   * Replaces files that differ. Running processes are not touched.
   */
  load(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]>;

  /**
   * Finds out whether `load` could put these texts in place of what runs, before that is stopped for them: whether there is room
   * for the files, and whether the manager reads files again at all. Changes nothing.
   */
  prepare(units: readonly UnitSource[]): Promise<readonly UnitOutcome[]>;

  /**
   * Starts units that were loaded; resolves when each start job has ended, and subscribers have heard what it came to.
   * @param taken told of each unit as soon as the manager has its start job, which goes on whatever becomes of the caller
   */
  start(names: readonly UnitName[], taken?: (name: UnitName) => void): Promise<readonly UnitOutcome[]>;

  /**
   * Names a unit's last start, each by another name; empty when it has not been started, or has ended and was forgotten. It tells
   * whether a restart that was asked for, by a daemon that is no more, has come about.
   */
  invocation(name: UnitName): Promise<string>;

  /**
   * Stops and starts units, or only starts those that do not run; resolves as `start` does. A unit that runs goes on
   * running when the job is refused.
   */
  restart(
    restarts: readonly UnitRestart[],
    taken?: (name: UnitName) => void,
  ): Promise<readonly UnitOutcome[]>;

  /** Stops units; resolves when each stop job has ended, that is when the processes are gone. */
  stop(names: readonly UnitName[]): Promise<readonly UnitOutcome[]>;

  /** Ends the processes of units at once with SIGKILL, as a stop under way does when its time is over. */
  kill(names: readonly UnitName[]): Promise<readonly UnitOutcome[]>;

  /** Forgets units that were stopped: disables, clears the failed state, deletes the files; one reload at most. */
  unload(names: readonly UnitName[]): Promise<readonly UnitOutcome[]>;

  /**
   * Calls `listener` with the new state whenever a unit of ours changes, and with `undefined` when everything must be
   * read afresh (the manager or the bus was restarted). Returns the function that ends it.
   */
  subscribe(listener: (changed: readonly ManagedUnit[] | undefined) => void): () => void;

  /** True while the machine is going down or rebooting. */
  stopping(): Promise<boolean>;

  close(): Promise<void>;
}

export interface UnitSource {
  readonly name: UnitName;
  /** The serialized unit file. */
  readonly text: string;
}

export interface UnitRestart {
  readonly name: UnitName;
  /** The unit's invocation when this restart was asked for before: one that has been started anew since is left alone. */
  readonly from?: string;
}

export interface ManagedUnit {
  readonly name: UnitName;
  /** SHA-1 of the file in the units directory. */
  readonly hash: string;
  /** systemd's LoadState, ActiveState and SubState. */
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  /** systemd's Result for types that have one, else undefined. */
  readonly result?: string;
}

/** What became of one unit of a batch; `problem` is one sentence and absent on success. */
export interface UnitOutcome {
  readonly name: UnitName;
  readonly problem?: string;
  /** True when a start was refused because a unit that this one needs is not there; it may be there in a moment. */
  readonly lacksUnit?: true;
}
