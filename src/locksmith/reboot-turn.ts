import type { Taking } from "./workload.ts";

/** What a daemon has done so far to reboot its machine. Kept on disk, so that the next daemon or the next boot goes on with it. */
export interface Turn {
  /** The boot in which it began. */
  readonly boot: string;
  /** For people. */
  readonly why: string;
  /** The number of the wish that it fulfils. */
  readonly wish?: number;
  /** The update that it is for. */
  readonly version?: string;
  /** Whether it takes a slot of the reboot lock. */
  readonly locks: boolean;
  /** The drain, once it was asked for. */
  readonly drain?: DrainPart;
  /** The stop of the units that do not leave, once it has begun. */
  readonly stop?: StopPart;
  /** True from the moment on at which the reboot is asked for. */
  readonly rebooting: boolean;
}

export interface DrainPart {
  /** How the machine took units before: what an operator has done stays. */
  readonly before: Taking;
  /** Names our own drain; absent until it was heard, or when the machine was drained already. */
  readonly since?: string;
  /** No more is waited for: it is drained, or its time is over. */
  readonly done: boolean;
  /** Units that were well and went down with the machine; they are waited for after the boot. */
  readonly well: { readonly global: readonly string[]; readonly placed: readonly string[] };
}

export interface StopPart {
  /** Units that ran then, in the order in which they are stopped. They are started again when the reboot does not come. */
  readonly names: readonly string[];
  /** No more is waited for: they have ended, or their time is over. */
  readonly done: boolean;
}

/** Where a turn is kept. */
export interface TurnFile {
  /** Undefined when there is none, or none that can be read. */
  read(): Promise<Turn | undefined>;
  /** Resolves when it is on the disk; undefined removes it. */
  write(turn: Turn | undefined): Promise<void>;
}

/** Reads the text of a turn; undefined when it is none. */
export function parseTurn(text: string): Turn | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { boot, why, locks, rebooting } = (value ?? {}) as Partial<Turn>;
  const isTurn =
    typeof boot === "string" &&
    typeof why === "string" &&
    typeof locks === "boolean" &&
    typeof rebooting === "boolean";
  return isTurn ? (value as Turn) : undefined;
}

/**
 * What has to be done about a drain that is over, so that the machine takes units as it did before. What somebody else did
 * meanwhile stays as it is.
 * @param now how the machine takes units, and what names that
 */
export function afterDrain(
  { before, since }: DrainPart,
  now: { readonly taking: Taking; readonly since: string | undefined },
): "uncordon" | "cordon" | undefined {
  const isOurs = now.taking !== "ready" && now.taking !== "cordoned" && (since ?? now.since) === now.since;
  if (!isOurs) return undefined;
  if (before === "ready") return "uncordon";
  return before === "cordoned" ? "cordon" : undefined;
}
