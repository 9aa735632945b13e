import { heard, settled, staged, unwell } from "./after-boot.ts";
import { errorCodes } from "./error-codes.ts";
import {
  type Pending,
  type Refusal,
  type RefusalKind,
  type UpdateMemory,
  without,
  withRefusal,
} from "./memory.ts";
import type { CheckResult, Offer } from "./offer.ts";
import type { OmahaEvent } from "./omaha.ts";
import { payloadPauseMs } from "./schedule.ts";
import type { SlotPicture } from "./slots.ts";
import {
  type Deed,
  failing,
  forReason,
  isAtRest,
  isWaiting,
  type Moment,
  type PolicySettings,
  postponed,
  refused,
  remember,
  resting,
  same,
  type Step,
  type UpdateEvent,
  type UpdateState,
  waitingPhase,
} from "./update-state.ts";
import { compareVersions } from "./version-order.ts";

/** What to do about something that happened. */
export function step(settings: PolicySettings, state: UpdateState, event: UpdateEvent, moment: Moment): Step {
  switch (event.on) {
    case "due":
      return due(settings, state, moment);
    case "wish":
      return wish(state, event.again === true);
    case "answer":
      return answered(settings, state, event, moment);
    case "progress":
      return same(progressed(state, event.fraction, event.verifying));
    case "installed":
      return installed(state, event.slots);
    case "broke":
      return broke(settings, state, event, moment);
    case "judged":
      return event.well
        ? { state, deeds: state.trial ? [{ do: "bless" }] : [] }
        : unwell(state, event.sentence, moment);
    case "blessed":
      return settled({ ...state, slots: event.slots, trial: false });
    case "condemned":
      return same(heard({ ...state, slots: { ...event.slots, trial: state.slots.trial } }));
    case "hold":
      return held(state, event.reason, moment);
    case "release":
      return released(settings, state, moment);
    case "reset":
      return reset(state);
    case "rollback":
      return rolledBack(state, moment);
  }
}

function due(settings: PolicySettings, state: UpdateState, moment: Moment): Step {
  if (moment.upMs < state.nextMs) return same(state);
  const later = postponed(settings, state, moment);
  if (!isAtRest(state.phase) || state.trial) return same(later);
  const pingOnly = isWaiting(state.phase) || state.phase === "held";
  return asking(later, { onDemand: false, pingOnly });
}

function wish(state: UpdateState, again: boolean): Step {
  if (state.trial)
    return refused(state, `${state.slots.running} has not proven itself yet; ask again when it is blessed`);
  if (state.phase === "held")
    return refused(state, `updates are held${forReason(state.memory)}; argosy update release ends that`);
  if (isWaiting(state.phase))
    return refused(state, `${state.memory.pending?.version ?? "an update"} waits for a reboot`);
  if (!isAtRest(state.phase)) return refused(state, "a check or an update is under way");
  const memory = again ? forgotten(state.memory) : state.memory;
  return asking({ ...state, memory }, { onDemand: true, pingOnly: false });
}

/** Without what was refused. The server is to forget it, too, so it is asked as if that were the first check of all. */
function forgotten(memory: UpdateMemory): UpdateMemory {
  const { previous: _previous, attempts: _attempts, ...rest } = memory;
  return { ...rest, refusals: [] };
}

/** Asks the server. The first check after an update tells what ran before it, and the first of all tells 0.0.0.0. */
function asking(
  state: UpdateState,
  { onDemand, pingOnly }: { readonly onDemand: boolean; readonly pingOnly: boolean },
): Step {
  if (pingOnly) return { state, deeds: [{ do: "ask", onDemand, pingOnly, events: [] }] };
  const { previous } = state.memory;
  const previousVersion =
    previous === undefined ? "0.0.0.0" : previous === state.slots.running ? "" : previous;
  const { progress: _p, offer: _o, ...rest } = state;
  return {
    state: { ...rest, phase: "checking", memory: { ...state.memory, previous: "" } },
    deeds: [{ do: "ask", onDemand, pingOnly, events: [{ type: 3, result: 2, previousVersion }] }],
  };
}

function answered(
  settings: PolicySettings,
  before: UpdateState,
  { result, pingOnly }: { readonly result: CheckResult; readonly pingOnly?: boolean },
  moment: Moment,
): Step {
  // A ping may be answered after a check has begun, and is not the answer to it.
  const wasPing = pingOnly === true || before.phase !== "checking";
  const isTrouble =
    result.kind === "failed" &&
    (result.code === errorCodes.http + 500 || result.code === errorCodes.http + 503);
  const { pollSeconds: _old, ...rest } = before;
  const poll = result.kind === "failed" ? before.pollSeconds : result.pollSeconds;
  const state = postponed(
    settings,
    {
      ...rest,
      ...(poll === undefined ? {} : { pollSeconds: poll }),
      troubles: isTrouble ? before.troubles + 1 : 0,
      memory: {
        ...before.memory,
        ...(result.kind === "failed" || wasPing ? {} : { lastCheckMs: moment.wallMs }),
      },
    },
    moment,
  );
  if (wasPing) return same(state);
  if (result.kind === "none") return same(resting(state));
  if (result.kind === "failed") {
    const known =
      result.badDigest === undefined
        ? state
        : remember(
            state,
            { version: "", digest: result.badDigest, kind: "bad-signature", sentence: result.sentence },
            moment,
          );
    const failed = failing(known, result.code, result.sentence, moment);
    return { state: failed, deeds: [{ do: "tell", event: { type: 3, result: 0, errorCode: result.code } }] };
  }
  return offered(state, result.offer, moment);
}

function offered(state: UpdateState, offer: Offer, moment: Moment): Step {
  const deferred = (event: OmahaEvent, memory: UpdateMemory, sentence: string): Step => ({
    state: {
      ...resting({ ...state, memory }),
      failure: { code: event.errorCode ?? 0, sentence, atMs: moment.wallMs },
    },
    deeds: [{ do: "tell", event }],
  });
  const refusal = refusalOf(state, offer);
  if (refusal !== undefined) {
    const memory = withRefusal(state.memory, { ...refusal, atMs: moment.wallMs });
    return deferred({ type: 3, result: 9, errorCode: errorCodes.ignoredByPolicy }, memory, refusal.sentence);
  }
  if (compareVersions(offer.version, state.slots.running) === 0) return same(resting(state));
  if (state.memory.hold !== undefined) {
    return deferred(
      { type: 3, result: 9, errorCode: errorCodes.deferredByPolicy },
      state.memory,
      "updates are held",
    );
  }
  const attempts = attemptsOf(state.memory, offer);
  if (!offer.noBackoff && moment.wallMs < attempts.notBeforeMs) {
    const sentence = `${offer.version} failed from all places ${attempts.rounds} times; it is not tried again before ${new Date(attempts.notBeforeMs).toISOString()}`;
    return deferred({ type: 3, result: 9, errorCode: errorCodes.deferredForBackoff }, state.memory, sentence);
  }
  const folder = offer.folders[attempts.folder % offer.folders.length] ?? "";
  const pending: Pending = {
    version: offer.version,
    from: state.slots.running,
    bootId: state.bootId,
    stage: "installing",
    missed: 0,
    size: offer.size,
  };
  const { failure: _past, progress: _done, ...rest } = state;
  return {
    state: {
      ...rest,
      phase: "downloading",
      offer,
      memory: { ...state.memory, pending, previous: state.slots.running },
    },
    deeds: [
      { do: "tell", event: { type: 13, result: 1 } },
      { do: "install", offer, folder },
    ],
  };
}

/** Why a release is not for this machine, if it is not. */
export function refusalOf(state: UpdateState, offer: Offer): Omit<Refusal, "times" | "atMs"> | undefined {
  const { version, digest } = offer;
  const known = state.memory.refusals.find(
    (each) =>
      each.kind !== "downgrade" &&
      (each.version === version || each.version === "") &&
      (each.digest === "" || each.digest === digest),
  );
  if (known !== undefined)
    return { version: known.version, digest: known.digest, kind: known.kind, sentence: known.sentence };
  if (compareVersions(version, state.slots.running) >= 0) return undefined;
  const sentence = `${version} is older than ${state.slots.running}, which runs`;
  return { version, digest, kind: "downgrade", sentence };
}

function progressed(state: UpdateState, fraction: number, verifying: boolean): UpdateState {
  if (state.phase !== "downloading" && state.phase !== "verifying") return state;
  const reached = Math.min(1, Math.max(state.progress ?? 0, fraction));
  return { ...state, progress: reached, phase: verifying ? "verifying" : state.phase };
}

function installed(state: UpdateState, slots: SlotPicture): Step {
  const { offer, memory } = state;
  if (offer === undefined || memory.pending === undefined) return same(state);
  const { offer: _done, ...rest } = state;
  return staged({ ...rest, slots }, memory.pending);
}

function broke(
  settings: PolicySettings,
  state: UpdateState,
  event: { readonly code: number; readonly sentence: string; readonly refuse?: RefusalKind },
  moment: Moment,
): Step {
  const { offer } = state;
  const cleared: UpdateMemory = { ...state.memory, previous: "" };
  // What the loader could not be told is told it by the next engine. And what a trial has come to shows at the next boot: a reboot that
  // was asked for may itself end the program that asks, and look like a failure.
  const isDecidedLater = cleared.pending?.stage === "dropped" || state.trial;
  const memory = isDecidedLater ? cleared : without(cleared, "pending");
  const told: Deed = { do: "tell", event: { type: 3, result: 0, errorCode: event.code } };
  const failed = (next: UpdateMemory): UpdateState =>
    failing(postponed(settings, { ...state, memory: next }, moment), event.code, event.sentence, moment);
  if (offer === undefined) return { state: failed(memory), deeds: [told] };
  if (event.refuse !== undefined) {
    const refusal = {
      version: offer.version,
      digest: offer.digest,
      kind: event.refuse,
      sentence: event.sentence,
    };
    return { state: failed(withRefusal(memory, { ...refusal, atMs: moment.wallMs })), deeds: [told] };
  }
  return {
    state: failed({ ...memory, attempts: oneMore(attemptsOf(memory, offer), offer, moment) }),
    deeds: [told],
  };
}

function attemptsOf(
  { attempts }: UpdateMemory,
  { version, digest }: Offer,
): NonNullable<UpdateMemory["attempts"]> {
  if (attempts?.version === version && attempts.digest === digest) return attempts;
  return { version, digest, folder: 0, failures: 0, rounds: 0, notBeforeMs: 0 };
}

function oneMore(
  before: NonNullable<UpdateMemory["attempts"]>,
  offer: Offer,
  moment: Moment,
): NonNullable<UpdateMemory["attempts"]> {
  const failures = before.failures + 1;
  if (failures < offer.mostFailures) return { ...before, failures };
  const folder = before.folder + 1;
  if (folder < offer.folders.length) return { ...before, folder, failures: 0 };
  const rounds = before.rounds + 1;
  return {
    ...before,
    folder: 0,
    failures: 0,
    rounds,
    notBeforeMs: moment.wallMs + payloadPauseMs(rounds, moment.chance),
  };
}

function held(state: UpdateState, reason: string, moment: Moment): Step {
  const memory: UpdateMemory = { ...state.memory, hold: { reason, sinceMs: moment.wallMs } };
  const phase = isWaiting(state.phase) ? "staged" : isAtRest(state.phase) ? "held" : state.phase;
  return same({ ...state, phase, memory });
}

function released(settings: PolicySettings, state: UpdateState, moment: Moment): Step {
  if (state.memory.hold === undefined) return refused(state, "updates are not held");
  const memory = without(state.memory, "hold");
  const phase = isWaiting(state.phase) ? waitingPhase(memory) : state.phase === "held" ? "idle" : state.phase;
  // What was missed meanwhile is asked for soon, where anybody is asked at all.
  const nextMs = settings.timed ? Math.min(state.nextMs, moment.upMs) : state.nextMs;
  return same({ ...state, phase, memory, nextMs });
}

/** update_engine's ResetStatus: forgets that a reboot is wanted. Unlike there, the loader forgets it, too. */
function reset(state: UpdateState): Step {
  if (state.phase === "idle" || state.phase === "held") return same(state);
  if (state.phase === "failed") {
    const { failure: _past, ...rest } = state;
    return same(resting(rest));
  }
  const { pending } = state.memory;
  if (!isWaiting(state.phase) || pending === undefined)
    return refused(state, "a check or an update is under way");
  if (pending.stage === "back")
    return refused(state, "the machine is about to go back to an older version; reboot it first");
  const { progress: _done, ...rest } = state;
  const memory: UpdateMemory = {
    ...state.memory,
    pending: { ...pending, stage: "dropped" },
    previous: "",
  };
  return { state: resting({ ...rest, memory }), deeds: [{ do: "condemn", version: pending.version }] };
}

/** Back to what ran before: a staged update is dropped, otherwise the next boot takes the other slot. */
function rolledBack(state: UpdateState, moment: Moment): Step {
  const { pending } = state.memory;
  if (!isAtRest(state.phase)) return refused(state, "a check or an update is under way");
  if (pending?.stage === "back") return refused(state, `the next boot takes ${pending.version} already`);
  const refusal = (version: string): Omit<Refusal, "times"> => ({
    version,
    digest: "",
    kind: "rolled-back",
    sentence: `${version} was rolled back on this machine`,
    atMs: moment.wallMs,
  });
  if (isWaiting(state.phase) && pending !== undefined) {
    const { progress: _done, ...rest } = state;
    const memory = withRefusal(
      without({ ...state.memory, previous: "" }, "pending"),
      refusal(pending.version),
    );
    return { state: resting({ ...rest, memory }), deeds: [{ do: "condemn", version: pending.version }] };
  }
  const { running, others } = state.slots;
  const good = others
    .filter((slot) => slot.state === "good")
    .toSorted((a, b) => compareVersions(b.version, a.version));
  const [back] = good;
  if (back === undefined)
    return refused(state, `there is no other good version on this machine than ${running}`);
  const next: Pending = {
    version: back.version,
    from: running,
    bootId: state.bootId,
    stage: "back",
    missed: 0,
    size: 0,
  };
  const memory = withRefusal({ ...state.memory, pending: next, previous: running }, refusal(running));
  return {
    state: { ...state, trial: false, phase: waitingPhase(memory), progress: 1, memory },
    deeds: [{ do: "condemn", version: running }],
  };
}
