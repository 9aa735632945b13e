import type { StateReport, UnitReport, WaitingReason } from "../fleet/api-entities.ts";
import { machineLegend } from "./legend.ts";

/** What a report says about something that was asked of a unit. */
export type Verdict =
  | { readonly kind: "pending"; readonly afterMs?: undefined }
  /** It is so; `line` tells it, and is empty where nothing is to be told; `note` is about it, for standard error. */
  | { readonly kind: "done"; readonly line: string; readonly note?: string; readonly afterMs?: number }
  /** It has failed for good; `sentence` tells why. */
  | { readonly kind: "failed"; readonly sentence: string; readonly afterMs?: number }
  /** No machine can take the unit as things are. */
  | { readonly kind: "unplaced"; readonly reasons: readonly WaitingReason[]; readonly afterMs: number };

const pending: Verdict = { kind: "pending" };

/** A peer or a machine may be just arriving, so that only a lasting lack of a place counts. */
const placementSettleMs = 1000;
/** systemd calls a simple service active before its program could be executed; a missing program shows a moment later. */
const activeSettleMs = 200;
/** What systemd refuses is tried again: a start may have come before a unit it needs, a stop while the bus was away. */
const refusedSettleMs = 3000;
/** A unit that had failed before may be told as failed still, a moment after it was started again. */
const failedSettleMs = 500;
/** A unit that is not running may be one whose start systemd has not begun yet. */
const endedSettleMs = 1000;

/** `start`: systemd has the unit active, or it ran to its end with success. */
export function startVerdict(report: UnitReport): Verdict {
  const place = placeOf(report);
  if ("kind" in place) return place;
  return startedVerdict(report, place.state, place.where);
}

/** `restart`: what `start` demands, on every machine the unit runs on, once the restart of this number is carried out there. */
export function restartVerdict(report: UnitReport, number: number): Verdict {
  if (!report.global) {
    const place = placeOf(report);
    return "kind" in place ? place : restartedVerdict(report, place.state, number);
  }
  const verdicts = report.states.map((state) => restartedVerdict(report, state, number));
  const failure = verdicts.find(({ kind }) => kind === "failed");
  if (failure !== undefined) return failure;
  const done = verdicts.filter((verdict) => verdict.kind === "done");
  if (done.length < verdicts.length) return pending;
  if (done.length === 0) return { kind: "done", line: `Triggered global unit ${report.name} restart` };
  const afterMs = Math.max(0, ...done.map((verdict) => verdict.afterMs ?? 0));
  return { kind: "done", line: done.map(({ line }) => line).join("\n"), afterMs };
}

function restartedVerdict(report: UnitReport, state: StateReport, number: number): Verdict {
  return (state.restart ?? 0) < number ? pending : startedVerdict(report, state, on(state.machine));
}

/** What a state says about a unit that is to run. */
function startedVerdict(report: UnitReport, state: StateReport, where: string): Verdict {
  if (state.reached !== "launched") return withProblem(report, state, where);
  if (state.problem !== undefined && state.active === "inactive")
    return refused(report, state.problem, where);
  const done: Verdict = { kind: "done", line: `Unit ${report.name} launched${where}` };
  if (state.active === "active" || state.active === "reloading") return { ...done, afterMs: activeSettleMs };
  if (state.active === "failed") return failed(report, state, where, "failed");
  if (state.sub === "auto-restart" && isBadResult(state.result)) {
    return failed(report, state, where, "keeps failing and is restarted");
  }
  if (state.active !== "inactive") return pending;
  return isBadResult(state.result)
    ? failed(report, state, where, "ended")
    : { ...done, afterMs: endedSettleMs };
}

/** `load`: the unit is known to systemd on its machine, and not running. */
export function loadVerdict(report: UnitReport): Verdict {
  const place = placeOf(report);
  if ("kind" in place) return place;
  const { state, where } = place;
  if (state.problem !== undefined && state.load !== "loaded") return withProblem(report, state, where);
  if (state.reached !== "loaded" || isRunning(state)) return pending;
  return { kind: "done", line: `Unit ${report.name} loaded${where}` };
}

/** `stop`: no process of the unit is left. */
export function stopVerdict(report: UnitReport): Verdict {
  const { name, machine, states } = report;
  if (states.some(isRunning)) return stillRunning(report);
  const state = states.find((one) => one.machine.id === machine?.id);
  if (machine !== undefined && state?.reached !== "loaded") return pending;
  return { kind: "done", line: `Unit ${name} loaded${machine === undefined ? "" : on(machine)}` };
}

/** `unload`: no machine holds the unit any more. */
export function unloadVerdict(report: UnitReport): Verdict {
  const { name, machine, states } = report;
  if (machine !== undefined || states.length > 0) return stillRunning(report);
  return { kind: "done", line: `Unit ${name} inactive` };
}

/** `destroy`: the registry does not have the unit, and no machine holds it any more. */
export function destroyVerdict(report: UnitReport): Verdict {
  const { name, desiredState, machine, states } = report;
  if (desiredState !== undefined) {
    return { kind: "failed", sentence: `Unit ${name} was created again by somebody else.` };
  }
  if (machine !== undefined || states.length > 0) return stillRunning(report);
  return { kind: "done", line: `Destroyed ${name}` };
}

/** A unit on its way down; its machine goes on trying when systemd refuses, for example because of RefuseManualStop=. */
function stillRunning({ name, states }: UnitReport): Verdict {
  const refusal = states.find(
    (state) => isRunning(state) && state.problem?.startsWith(`cannot stop ${name}:`) === true,
  );
  if (refusal === undefined) return pending;
  const why = (refusal.problem ?? "").replace(/\.$/, "");
  return {
    kind: "failed",
    sentence: `Unit ${name} still runs${on(refusal.machine)}, which goes on trying: ${why}.`,
    afterMs: refusedSettleMs,
  };
}

/** Where the unit is with the text that is wanted; or the verdict while it is nowhere. */
function placeOf(report: UnitReport): Verdict | { readonly state: StateReport; readonly where: string } {
  const { name, machine, waiting, states, desiredState, hash } = report;
  if (desiredState === undefined)
    return { kind: "failed", sentence: `Unit ${name} was destroyed by somebody else.` };
  if (machine === undefined) {
    return waiting === undefined
      ? pending
      : { kind: "unplaced", reasons: waiting, afterMs: placementSettleMs };
  }
  const state = states.find((one) => one.machine.id === machine.id);
  if (state === undefined) return pending;
  const where = on(machine);
  if (state.hash === hash) return { state, where };
  return state.problem === undefined ? pending : notReplaced(report, state.problem, where);
}

/** A machine that cannot put the new text in place of the old one leaves that as it is, and goes on trying. */
function notReplaced({ name }: UnitReport, problem: string, where: string): Verdict {
  return {
    kind: "failed",
    sentence: `Unit ${name} keeps its old text${where}, which goes on trying: ${problem.replace(/\.$/, "")}.`,
    afterMs: refusedSettleMs,
  };
}

function withProblem({ name }: UnitReport, { load, problem }: StateReport, where: string): Verdict {
  if (problem === undefined) return pending;
  if (load === "loaded") return refused({ name }, problem, where, refusedSettleMs);
  return { kind: "failed", sentence: `Unit ${name} cannot be loaded${where}: ${problem}.` };
}

function refused({ name }: { readonly name: string }, problem: string, where: string, afterMs = 0): Verdict {
  return {
    kind: "failed",
    sentence: `Unit ${name} did not start${where}: ${problem.replace(/\.$/, "")}.`,
    afterMs,
  };
}

function failed(
  { name }: UnitReport,
  { result, problem }: StateReport,
  where: string,
  what: string,
): Verdict {
  const why =
    result === undefined || result === "" ? (problem ?? "systemd gives no reason") : `result ${result}`;
  return {
    kind: "failed",
    sentence: `Unit ${name} ${what}${where}: ${why}. To see why: fleetctl journal ${name}`,
    afterMs: failedSettleMs,
  };
}

function on(machine: { readonly id: string; readonly address: string }): string {
  return ` on ${machineLegend(machine, false)}`;
}

function isBadResult(result: string | undefined): boolean {
  return result !== undefined && result !== "" && result !== "success";
}

/** Whether systemd still has processes for the unit, or may have. */
function isRunning({ active }: StateReport): boolean {
  return active !== "inactive" && active !== "failed" && active !== "";
}
