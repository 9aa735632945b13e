import type { Inhibitor } from "./machine-control.ts";
import type { Turn } from "./reboot-turn.ts";
import type { Want } from "./wants.ts";
import type { WindowState } from "./window.ts";

/** Everything that decides about the next step, as one look has found it. */
export interface Situation {
  /** The machine goes down already, whoever asked for that. */
  readonly goingDown: boolean;
  readonly want: Want | undefined;
  readonly window: WindowState | "always" | "never";
  readonly inhibitors: readonly Inhibitor[];
  readonly turn: Turn | undefined;
  /** The slot, for a turn that locks; `unknown` while the store does not answer. */
  readonly slot: "held" | "none" | "unknown";
  /** Why nobody may reboot; undefined when they may, or when that is not known. */
  readonly halted: string | undefined;
  /** Whether units are to leave the machine before. */
  readonly drains: boolean;
  readonly users: readonly string[];
  /** How long it is since the users were told, in milliseconds; undefined: not yet. */
  readonly toldForMs: number | undefined;
}

/** What a machine does while it wants to reboot, as others are shown it. */
export type Phase =
  | "steady"
  | "waits-for-window"
  | "inhibited"
  | "queued"
  | "draining"
  | "warning"
  | "stopping"
  | "rebooting"
  | "recovering";

export type Step =
  | { readonly do: "wait"; readonly phase: Phase; readonly why: string; readonly ms?: number }
  | { readonly do: "begin" }
  | { readonly do: "undo"; readonly why: string }
  | { readonly do: "lock" }
  | { readonly do: "drain" }
  | { readonly do: "warn" }
  | { readonly do: "stop" }
  | { readonly do: "reboot" };

/** How long those who are logged in have, as with locksmith 0.6.2. */
export const warningMs = 300_000;

/**
 * Decides what comes next. Every condition is looked at again before each step, and so again right before the reboot: whatever
 * stands against it by then gives the slot back, because a machine that cannot reboot must not hold others up.
 */
export function nextStep(situation: Situation): Step {
  const { want, turn, goingDown, slot } = situation;
  if (goingDown) return { do: "wait", phase: "rebooting", why: "the machine goes down" };
  const against = whatStandsAgainst(situation);
  if (turn === undefined) {
    if (want === undefined) return { do: "wait", phase: "steady", why: "" };
    return against ?? { do: "begin" };
  }
  if (against !== undefined) return { do: "undo", why: against.why };
  if (turn.locks && slot === "none") {
    // A slot that was there before and is not any more takes the drain with it: the machine goes to the end of the queue.
    if (turn.drain !== undefined) return { do: "undo", why: "this machine has lost its slot" };
    return { do: "lock" };
  }
  if (turn.locks && slot === "unknown" && turn.drain === undefined) return { do: "lock" };
  if (turn.locks && situation.halted !== undefined) return { do: "undo", why: situation.halted };
  if (situation.drains && turn.drain === undefined) return { do: "drain" };
  if (turn.drain?.done === false) return { do: "wait", phase: "draining", why: turn.why };
  // Units that were stopped are not left so for the time that people have to log out.
  if (turn.stop === undefined) return warnOrStop(situation, turn);
  if (!turn.stop.done) return { do: "wait", phase: "stopping", why: turn.why };
  return { do: "reboot" };
}

/** What keeps the machine from rebooting, whoever has the slots. */
function whatStandsAgainst({ want, window, inhibitors }: Situation): (Step & { do: "wait" }) | undefined {
  if (want === undefined) return { do: "wait", phase: "steady", why: "nobody asks for a reboot any more" };
  if (window === "never")
    return { do: "wait", phase: "waits-for-window", why: "the reboot window never opens again" };
  if (window !== "always" && !window.open) {
    const why = `the reboot window opens at ${new Date(window.opensAt).toISOString()}`;
    return { do: "wait", phase: "waits-for-window", why, ms: window.waitMs };
  }
  const [inhibitor] = inhibitors;
  if (inhibitor === undefined) return undefined;
  return { do: "wait", phase: "inhibited", why: `${inhibitor.who} forbids it: ${inhibitor.why}` };
}

function warnOrStop({ users, toldForMs, drains }: Situation, turn: Turn): Step {
  // What nobody has drained systemd stops, when the machine goes down.
  const next: Step = drains && turn.drain !== undefined ? { do: "stop" } : { do: "reboot" };
  if (users.length === 0) return next;
  if (toldForMs === undefined) return { do: "warn" };
  if (toldForMs >= warningMs) return next;
  const why = `${users.join(", ")} ${users.length === 1 ? "was" : "were"} told to log out`;
  return { do: "wait", phase: "warning", why, ms: warningMs - toldForMs };
}
