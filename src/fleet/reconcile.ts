import { compareText } from "../lib/text.ts";
import type { Revision } from "../store/store.ts";
import type { Scheduled, UnitName } from "./model.ts";
import type { ManagedUnit, UnitSource } from "./unit-manager.ts";

/**
 * How far this agent has brought a unit since the machine booted. The agent keeps it beside the unit files, where a
 * restart of the daemon finds it and a reboot clears it: so nothing is started twice, and everything after a reboot.
 */
export interface Attempt {
  /** Hash of the unit file it holds for; with any other file nothing has been carried out yet. */
  readonly hash: string;
  /** `launched` from the moment systemd took the start, whatever became of the unit then. */
  readonly reached: "loaded" | "launched";
  /** The last restart that was carried out, or that a start has made needless. */
  readonly restart?: Revision;
  /** A restart that systemd may have been told of or not, and the unit's invocation before it. */
  readonly restarting?: { readonly restart: Revision; readonly from: string };
  /** Set for a unit that has been started and is to be stopped when the machine cannot renew its presence. */
  readonly stopOnPartition?: true;
  /** Set when this was written down before systemd took the start: a unit that does not run then was never started. */
  readonly unconfirmed?: true;
}

export type TaskKind = "stop" | "unload" | "load" | "start" | "restart";

/** What an agent has to do, as one batch for each kind, to be carried out in this order; names are in name order. */
export interface Tasks {
  readonly stop: readonly UnitName[];
  readonly unload: readonly UnitName[];
  readonly load: readonly UnitSource[];
  readonly start: readonly UnitName[];
  readonly restart: readonly UnitName[];
  /** One for each task above. */
  readonly reasons: readonly TaskReason[];
  /** What to remember of units that are as they should be without any task. */
  readonly remember: ReadonlyMap<UnitName, Attempt>;
}

/** Why a task is there, in the words of fleet v1.0.0. */
export interface TaskReason {
  readonly task: TaskKind;
  readonly unit: UnitName;
  readonly reason: string;
}

/**
 * Compares what a machine has to hold with what its service manager says it holds. A start is given once for each file
 * and each change to `launched`: a unit that finished, failed or was stopped on the machine itself stays as it is. A unit
 * that runs from the right file is taken over as it runs. A restart is given once for each time it was asked for, and
 * only by an agent that remembers having started the unit before: one that has lost its memory restarts nothing.
 */
export function reconcile(
  wanted: readonly Scheduled[],
  actual: readonly ManagedUnit[],
  memory: ReadonlyMap<UnitName, Attempt>,
): Tasks {
  const draft: Draft = {
    stop: [],
    unload: [],
    load: [],
    start: [],
    restart: [],
    reasons: [],
    remember: new Map(),
  };
  const present = new Map(actual.map((unit) => [unit.name, unit]));
  const byName = new Map(wanted.map((unit) => [unit.unit, unit]));
  for (const name of [...new Set([...byName.keys(), ...present.keys()])].sort(compareText)) {
    const want = byName.get(name);
    const have = present.get(name);
    if (want !== undefined) bringAbout(draft, want, have, memory.get(name));
    else if (have !== undefined) remove(draft, have);
  }
  return draft;
}

/** What to remember of a unit once systemd holds it as wanted, or runs it. */
export function attemptAfter(task: "load" | "start" | "restart", want: Scheduled): Attempt {
  if (task === "load") return { hash: want.hash, reached: "loaded" };
  const { hash, restart: done, stopOnPartition } = want;
  return {
    hash,
    reached: "launched",
    ...(done === undefined ? {} : { restart: done }),
    ...(stopOnPartition === undefined ? {} : { stopOnPartition }),
  };
}

interface Draft {
  readonly stop: UnitName[];
  readonly unload: UnitName[];
  readonly load: UnitSource[];
  readonly start: UnitName[];
  readonly restart: UnitName[];
  readonly reasons: TaskReason[];
  readonly remember: Map<UnitName, Attempt>;
}

function remove(draft: Draft, have: ManagedUnit): void {
  const reason = "unit loaded but not scheduled here";
  if (isRunning(have)) stop(draft, have.name, reason);
  draft.unload.push(have.name);
  draft.reasons.push({ task: "unload", unit: have.name, reason });
}

function bringAbout(
  draft: Draft,
  want: Scheduled,
  have: ManagedUnit | undefined,
  remembered: Attempt | undefined,
): void {
  const attempt = remembered?.hash === want.hash ? remembered : undefined;
  if (have === undefined) {
    loadAfresh(draft, want, "unit scheduled here but not loaded");
  } else if (have.hash !== want.hash) {
    const reason = "unit loaded but hash differs to expected";
    if (isRunning(have)) stop(draft, want.unit, reason);
    loadAfresh(draft, want, reason);
  } else if (have.load === "not-found" && attempt === undefined) {
    // The daemon ended between writing the file and telling systemd.
    loadAfresh(draft, want, "unit file is here but not loaded");
  } else if (want.target === "launched") {
    launch(draft, want, have, attempt);
  } else {
    holdLoaded(draft, want, have, attempt);
  }
}

function loadAfresh(draft: Draft, want: Scheduled, reason: string): void {
  draft.load.push({ name: want.unit, text: want.text });
  draft.reasons.push({ task: "load", unit: want.unit, reason });
  if (want.target === "launched") start(draft, want.unit);
}

function launch(draft: Draft, want: Scheduled, have: ManagedUnit, attempt: Attempt | undefined): void {
  if (attempt?.reached === "launched" && attempt.unconfirmed === undefined) {
    if ((want.restart ?? 0) > (attempt.restart ?? 0)) restart(draft, want.unit);
  } else if (isRunning(have)) {
    draft.remember.set(want.unit, attemptAfter("start", want));
  } else {
    start(draft, want.unit);
  }
}

/** Stops what this agent has started. What something else on the machine started, such as a WantedBy, keeps running. */
function holdLoaded(draft: Draft, want: Scheduled, have: ManagedUnit, attempt: Attempt | undefined): void {
  if (attempt?.reached === "loaded") return;
  if (attempt !== undefined && isRunning(have)) {
    stop(draft, want.unit, "unit currently launched but desired state is loaded");
  } else {
    draft.remember.set(want.unit, attemptAfter("load", want));
  }
}

function stop(draft: Draft, unit: UnitName, reason: string): void {
  draft.stop.push(unit);
  draft.reasons.push({ task: "stop", unit, reason });
}

function start(draft: Draft, unit: UnitName): void {
  draft.start.push(unit);
  draft.reasons.push({
    task: "start",
    unit,
    reason: "unit currently loaded but desired state is launched",
  });
}

function restart(draft: Draft, unit: UnitName): void {
  draft.restart.push(unit);
  draft.reasons.push({ task: "restart", unit, reason: "unit launched and a restart was asked for" });
}

/** True while there is anything to stop: a unit that starts, ends or waits for its next try counts. */
export function isRunning(unit: Pick<ManagedUnit, "active">): boolean {
  return unit.active !== "inactive" && unit.active !== "failed";
}
