import type { Failure, UpdateState } from "./update-state.ts";
import { failureText } from "./update-state.ts";

/** The five values of update_engine's GetStatus and StatusUpdate. */
export interface EngineStatus {
  /** Seconds since 1970; 0 for never. */
  readonly lastCheckedTime: number;
  readonly progress: number;
  /** Such as `UPDATE_STATUS_IDLE`. */
  readonly operation: string;
  readonly newVersion: string;
  /** Bytes. */
  readonly newSize: number;
}

/** What update_engine of CoreOS would tell of this state. A staged update that is held does not ask for a reboot. */
export function engineStatus(state: UpdateState): EngineStatus {
  const { memory, offer } = state;
  const pending = state.phase === "staged" || state.phase === "reboot-wanted" ? memory.pending : undefined;
  return {
    lastCheckedTime: Math.floor(memory.lastCheckMs / 1000),
    progress: state.progress ?? 0,
    operation: `UPDATE_STATUS_${operationOf(state)}`,
    newVersion: offer?.version ?? pending?.version ?? "0.0.0",
    newSize: offer?.size ?? pending?.size ?? 0,
  };
}

function operationOf({ phase, progress }: UpdateState): string {
  switch (phase) {
    case "checking":
      return "CHECKING_FOR_UPDATE";
    case "downloading":
      return progress === undefined ? "UPDATE_AVAILABLE" : "DOWNLOADING";
    case "verifying":
      return "VERIFYING";
    case "staged":
      return "FINALIZING";
    case "reboot-wanted":
      return "UPDATED_NEED_REBOOT";
    case "idle":
    case "failed":
    case "held":
      return "IDLE";
  }
}

/** The lines of `update_engine_client -status`. */
export function statusLines(status: EngineStatus): string {
  return [
    `LAST_CHECKED_TIME=${status.lastCheckedTime}`,
    `PROGRESS=${status.progress.toFixed(6)}`,
    `CURRENT_OP=${status.operation}`,
    `NEW_VERSION=${status.newVersion}`,
    `NEW_SIZE=${status.newSize}`,
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/** What `argosy update status` tells of an engine; JSON as it is. */
export interface EngineReport extends EngineStatus {
  readonly phase: string;
  readonly running: string;
  /** Whether what runs still has to prove itself. */
  readonly trial: boolean;
  readonly others: readonly { readonly version: string; readonly state: string }[];
  readonly group: string;
  readonly server: string;
  /** ms since 1970; null when nobody is asked by the clock. */
  readonly nextCheckMs: number | null;
  readonly hold: { readonly reason: string; readonly sinceMs: number } | null;
  readonly failure: (Failure & { readonly text: string }) | null;
  readonly refused: readonly {
    readonly version: string;
    readonly kind: string;
    readonly reason: string;
    readonly atMs: number;
    readonly times: number;
  }[];
}

/** Everything about a state that people may want to know. @param nowMs and upMs both clocks, now */
export function engineReport(
  state: UpdateState,
  {
    group,
    server,
    nowMs,
    upMs,
  }: { readonly group: string; readonly server: string; readonly nowMs: number; readonly upMs: number },
): EngineReport {
  const { memory, slots, failure } = state;
  return {
    ...engineStatus(state),
    phase: state.phase,
    running: slots.running,
    trial: state.trial,
    others: slots.others,
    group,
    server,
    nextCheckMs: Number.isFinite(state.nextMs) ? Math.round(nowMs + Math.max(0, state.nextMs - upMs)) : null,
    hold: memory.hold ?? null,
    failure: failure === undefined ? null : { ...failure, text: failureText(failure) },
    refused: memory.refusals.map(({ version, kind, sentence, atMs, times }) => ({
      version,
      kind,
      reason: sentence,
      atMs,
      times,
    })),
  };
}
