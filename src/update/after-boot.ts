import { errorCodes } from "./error-codes.ts";
import { type Pending, type UpdateMemory, without, withRefusal } from "./memory.ts";
import { firstPauseMs } from "./schedule.ts";
import type { SlotPicture } from "./slots.ts";
import {
  type Deed,
  failing,
  type Moment,
  type PolicySettings,
  resting,
  same,
  type Step,
  type UpdateState,
  waitingPhase,
} from "./update-state.ts";

/** How often a machine may come up without a staged version before that counts as failed. */
const mostMissed = 3;

/** The state after a start of the engine: what became of an update that was under way is found out here. */
export function begin(
  settings: PolicySettings,
  memory: UpdateMemory,
  slots: SlotPicture,
  bootId: string,
  moment: Moment,
): Step {
  const known: UpdateMemory = { ...memory, aleph: memory.aleph ?? slots.running };
  const fresh: UpdateState = {
    phase: known.hold === undefined ? "idle" : "held",
    slots,
    bootId,
    trial: slots.trial,
    nextMs: settings.timed
      ? moment.upMs + firstPauseMs(settings.schedule, moment.chance)
      : Number.POSITIVE_INFINITY,
    troubles: 0,
    memory: known,
  };
  const judge: readonly Deed[] = slots.trial ? [{ do: "judge" }] : [];
  const { state, deeds } = found(fresh, known.pending, judge, moment);
  return { state, deeds: [...unheard(state), ...deeds] };
}

/** What became of an update that was begun. */
function found(
  state: UpdateState,
  pending: Pending | undefined,
  judge: readonly Deed[],
  moment: Moment,
): Step {
  if (pending === undefined) return { state, deeds: judge };
  if (pending.version === state.slots.running) return state.trial ? { state, deeds: judge } : settled(state);
  if (pending.stage === "dropped") return { state: heard(state), deeds: judge };
  if (pending.bootId === state.bootId) return afterRestart(state, pending, moment);
  return missedBoot(state, pending, moment, judge);
}

/** The state without the note that a version is to be dropped, once the loader takes it no more. */
export function heard(state: UpdateState): UpdateState {
  const { pending } = state.memory;
  const isBootable = state.slots.others.some(
    (slot) => slot.version === pending?.version && slot.state !== "bad",
  );
  if (pending?.stage !== "dropped" || isBootable) return state;
  return { ...state, memory: without(state.memory, "pending") };
}

/** What the loader is not to take: it may not have heard of that when the engine or the power went away. */
function unheard({ slots, memory }: UpdateState): readonly Deed[] {
  const { pending, refusals } = memory;
  const others = slots.others.filter(({ version, state }) => {
    if (state === "bad") return false;
    const left = refusals.some(
      (each) => each.version === version && (each.kind === "failed-here" || each.kind === "rolled-back"),
    );
    // On trial there has to be something to go back to, whatever that is.
    return (left && !slots.trial) || (pending?.stage === "dropped" && pending.version === version);
  });
  const goesBack =
    pending?.stage === "back" &&
    slots.others.some(({ version, state }) => version === pending.version && state === "good");
  return [...others.map(({ version }) => version), ...(goesBack ? [slots.running] : [])].map((version) => ({
    do: "condemn",
    version,
  }));
}

/** A release is in its slot, and the next boot takes it. */
export function staged(state: UpdateState, pending: Pending): Step {
  const memory = without({ ...state.memory, pending: { ...pending, stage: "staged" } }, "attempts");
  return {
    state: { ...state, phase: waitingPhase(memory), progress: 1, memory },
    deeds: [
      { do: "tell", event: { type: 14, result: 1 } },
      { do: "tell", event: { type: 3, result: 1 } },
    ],
  };
}

/** The engine was started again without a boot in between. */
function afterRestart(state: UpdateState, pending: Pending, moment: Moment): Step {
  const there = state.slots.others.find((slot) => slot.version === pending.version)?.state;
  // Its last step was done, only the note of it was not.
  if (pending.stage === "installing" && there === "untried") return staged(state, pending);
  if (pending.stage === "installing") {
    const memory = without(state.memory, "pending");
    const sentence = `the installation of ${pending.version} was interrupted`;
    return { state: failing({ ...state, memory }, errorCodes.transfer, sentence, moment), deeds: [] };
  }
  return { state: { ...state, phase: waitingPhase(state.memory), progress: 1 }, deeds: [] };
}

/** The machine was booted and does not run what was under way. */
function missedBoot(state: UpdateState, pending: Pending, moment: Moment, judge: readonly Deed[]): Step {
  const { version } = pending;
  const memory = without(state.memory, "pending");
  const there = state.slots.others.find((slot) => slot.version === version)?.state;
  const isLost = there === undefined && pending.stage !== "back";
  if (isLost || (pending.stage === "installing" && there === "good")) {
    // The power went while it was written, or before the disk had kept it: nothing is known against it.
    const sentence =
      pending.stage === "installing"
        ? `the installation of ${version} was interrupted by a reboot`
        : `${version} was installed, and was gone from its slot after the reboot`;
    return { state: failing({ ...state, memory }, errorCodes.transfer, sentence, moment), deeds: judge };
  }
  const missed = pending.missed + 1;
  const stillComes = (there === "untried" || there === "trying" || there === "good") && missed < mostMissed;
  if (stillComes) {
    const stage = pending.stage === "installing" ? "staged" : pending.stage;
    const again: UpdateMemory = { ...memory, pending: { ...pending, bootId: state.bootId, stage, missed } };
    const waits = state.trial ? state.phase : waitingPhase(again);
    return { state: { ...state, phase: waits, memory: again, progress: 1 }, deeds: judge };
  }
  const sentence =
    pending.stage === "back"
      ? `the machine did not go back to ${version}`
      : `${version} did not come up here, and the machine fell back to ${state.slots.running}`;
  const known =
    pending.stage === "back"
      ? memory
      : withRefusal(memory, { version, digest: "", kind: "failed-here", sentence, atMs: moment.wallMs });
  const deeds: readonly Deed[] = [
    { do: "tell", event: { type: 3, result: 0, errorCode: errorCodes.fellBack } },
    ...judge,
  ];
  return {
    state: failing({ ...state, memory: { ...known, previous: "" } }, errorCodes.fellBack, sentence, moment),
    deeds,
  };
}

/** What runs is not well in its first boot. It goes back where there is something to go back to. */
export function unwell(state: UpdateState, sentence: string, moment: Moment): Step {
  if (!state.trial) return same(state);
  const { running, others } = state.slots;
  const failed = failing(state, errorCodes.fellBack, `${running} is not well: ${sentence}`, moment);
  if (!others.some((slot) => slot.state === "good")) {
    const alone = `${running} is not well, and there is nothing to go back to: ${sentence}`;
    return same(failing(state, errorCodes.generic, alone, moment));
  }
  const known = state.memory.pending;
  const pending: Pending =
    known?.version === running
      ? known
      : {
          version: running,
          from: "",
          bootId: state.bootId,
          stage: "staged",
          missed: 0,
          size: 0,
        };
  const memory = withRefusal(
    { ...state.memory, pending: { ...pending, missed: mostMissed } },
    {
      version: running,
      digest: "",
      kind: "failed-here",
      sentence: `${running} was not well here: ${sentence}`,
      atMs: moment.wallMs,
    },
  );
  return { state: { ...failed, memory }, deeds: [{ do: "condemn", version: running }, { do: "reboot" }] };
}

/** What runs is proven. If it was an update, the server hears of it at once. */
export function settled(state: UpdateState): Step {
  const { pending, previous } = state.memory;
  if (pending === undefined || pending.version !== state.slots.running) return same(resting(state));
  // It may have been found unwell once, by an engine that ended before it could leave it.
  const refusals = state.memory.refusals.filter(
    ({ version, kind }) => version !== pending.version || kind !== "failed-here",
  );
  const memory: UpdateMemory = { ...without(state.memory, "pending"), refusals, previous: "" };
  const previousVersion = previous === undefined || previous === "" ? pending.from : previous;
  return {
    state: resting({ ...state, memory }),
    deeds: [{ do: "tell", event: { type: 3, result: 2, previousVersion } }],
  };
}
