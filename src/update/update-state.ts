import { wordsOf } from "./error-codes.ts";
import { type Refusal, type RefusalKind, type UpdateMemory, withRefusal } from "./memory.ts";
import type { CheckResult, Offer } from "./offer.ts";
import type { OmahaEvent } from "./omaha.ts";
import { type CheckSchedule, nextPauseMs } from "./schedule.ts";
import type { SlotPicture } from "./slots.ts";

/** What the engine is about. */
export type Phase =
  | "idle"
  | "checking"
  | "downloading"
  | "verifying"
  | "staged"
  | "reboot-wanted"
  | "failed"
  | "held";

/** What happened last that should not have. */
export interface Failure {
  /** Of update_engine. */
  readonly code: number;
  readonly sentence: string;
  /** ms since 1970. */
  readonly atMs: number;
}

/** Everything that is decided upon. A value; `step` makes the next one. */
export interface UpdateState {
  readonly phase: Phase;
  readonly slots: SlotPicture;
  readonly bootId: string;
  /** What runs was not blessed yet; no release is installed meanwhile, as it would overwrite what to fall back to. */
  readonly trial: boolean;
  /** Set while downloading and verifying. */
  readonly offer?: Offer;
  /** From 0 to 1; undefined until the first byte. */
  readonly progress?: number;
  readonly failure?: Failure;
  /** When to ask next, by the monotonic clock in ms; infinite when nobody is to be asked. */
  readonly nextMs: number;
  readonly pollSeconds?: number;
  /** Answers 500 or 503 in a row. */
  readonly troubles: number;
  readonly memory: UpdateMemory;
}

/** When something happened: ms since 1970, ms of the monotonic clock, and a number in [0, 1) drawn for it. */
export interface Moment {
  readonly wallMs: number;
  readonly upMs: number;
  readonly chance: number;
}

export interface PolicySettings {
  readonly schedule: CheckSchedule;
  /** False: only people's wishes make the engine ask (SERVER=disabled). */
  readonly timed: boolean;
}

/** What the world tells. */
export type UpdateEvent =
  | { readonly on: "due" }
  /** Somebody wants to know now. `again`: also what was refused before. */
  | { readonly on: "wish"; readonly again?: boolean }
  /** `pingOnly`: it was not asked for an update, and says nothing about one. */
  | { readonly on: "answer"; readonly result: CheckResult; readonly pingOnly?: boolean }
  | { readonly on: "progress"; readonly fraction: number; readonly verifying: boolean }
  | { readonly on: "installed"; readonly slots: SlotPicture }
  | { readonly on: "broke"; readonly code: number; readonly sentence: string; readonly refuse?: RefusalKind }
  | { readonly on: "judged"; readonly well: boolean; readonly sentence: string }
  | { readonly on: "blessed"; readonly slots: SlotPicture }
  /** The loader was told not to take a version. */
  | { readonly on: "condemned"; readonly slots: SlotPicture }
  | { readonly on: "hold"; readonly reason: string }
  | { readonly on: "release" }
  | { readonly on: "reset" }
  | { readonly on: "rollback" };

/** What is to be done about it, in this order. */
export type Deed =
  | {
      readonly do: "ask";
      readonly onDemand: boolean;
      readonly pingOnly: boolean;
      readonly events: readonly OmahaEvent[];
    }
  | { readonly do: "install"; readonly offer: Offer; readonly folder: string }
  | { readonly do: "tell"; readonly event: OmahaEvent }
  /** Runs the health gate. */
  | { readonly do: "judge" }
  | { readonly do: "bless" }
  | { readonly do: "condemn"; readonly version: string }
  /** At once and without anybody's leave: what runs is not well. */
  | { readonly do: "reboot" };

export interface Step {
  readonly state: UpdateState;
  readonly deeds: readonly Deed[];
  /** Why a wish was not followed. */
  readonly refused?: string;
}

/** The state with the next check at its usual time. */
export function postponed(settings: PolicySettings, state: UpdateState, moment: Moment): UpdateState {
  if (!settings.timed) return { ...state, nextMs: Number.POSITIVE_INFINITY };
  const { pollSeconds, troubles } = state;
  const pauseMs = nextPauseMs(settings.schedule, { pollSeconds, troubles }, moment.chance);
  return { ...state, nextMs: moment.upMs + pauseMs };
}

/** The state that also remembers a refusal. */
export function remember(
  state: UpdateState,
  refusal: Omit<Refusal, "times" | "atMs">,
  moment: Moment,
): UpdateState {
  return { ...state, memory: withRefusal(state.memory, { ...refusal, atMs: moment.wallMs }) };
}

/** The state after something failed. */
export function failing(state: UpdateState, code: number, sentence: string, moment: Moment): UpdateState {
  const { offer: _offer, progress: _progress, ...rest } = state;
  const phase = state.memory.hold === undefined ? "failed" : "held";
  return { ...rest, phase, failure: { code, sentence, atMs: moment.wallMs } };
}

/** The state when nothing is under way. */
export function resting(state: UpdateState): UpdateState {
  const { offer: _offer, progress: _progress, failure: _failure, ...rest } = state;
  return { ...rest, phase: state.memory.hold === undefined ? "idle" : "held" };
}

/** What a staged release waits in: for a reboot, or for the end of a hold. */
export function waitingPhase(memory: UpdateMemory): Phase {
  return memory.hold === undefined ? "reboot-wanted" : "staged";
}

/** Whether a release is staged. */
export function isWaiting(phase: Phase): boolean {
  return phase === "staged" || phase === "reboot-wanted";
}

/** Whether neither a check nor an update is under way. */
export function isAtRest(phase: Phase): boolean {
  return phase === "idle" || phase === "failed" || phase === "held" || isWaiting(phase);
}

/** Why updates are held, in brackets. */
export function forReason({ hold }: UpdateMemory): string {
  return hold === undefined || hold.reason === "" ? "" : ` (${hold.reason})`;
}

/** A wish that is not followed. */
export function refused(state: UpdateState, sentence: string): Step {
  return { state, deeds: [], refused: sentence };
}

/** A step without deeds. */
export function same(state: UpdateState): Step {
  return { state, deeds: [] };
}

/** A failure in words that name its code. */
export function failureText({ code, sentence }: Failure): string {
  return `${sentence} (${wordsOf(code)}, ${code})`;
}
