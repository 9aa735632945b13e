import type { Offer } from "./offer.ts";

/** How far the loader has come with what a slot holds: never started, started and not blessed, blessed, or given up. */
export type SlotState = "untried" | "trying" | "good" | "bad";

export interface OtherSlot {
  readonly version: string;
  readonly state: SlotState;
}

/** What is in this machine's slots. */
export interface SlotPicture {
  readonly running: string;
  /** Whether the loader still counts the tries of what runs: it has to be blessed, or the next boots go back. */
  readonly trial: boolean;
  /** What else is installed. */
  readonly others: readonly OtherSlot[];
}

/** How far an installation is, from 0 to 1; `verifying` once everything is there and is being looked at. */
export type TellProgress = (progress: { readonly fraction: number; readonly verifying: boolean }) => void;

/**
 * The two places for an operating system, of which one runs: the seam between what is decided about updates and what
 * carries them out. Two implementations pass `slots-contract.ts`: systemd-sysupdate with systemd-boot, and files in a folder.
 * All methods throw Fault `update-slots` when the slots cannot be read or written.
 */
export interface Slots {
  look(): Promise<SlotPicture>;

  /**
   * Fetches a release from a folder, checks it, and makes it what the next boot takes. What runs is never overwritten, and
   * until the end nothing changes for the next boot. Throws Fault `update-signature` (missing or wrong, or by an unknown
   * key), `update-list` (not the list that was promised, or without this version), `update-file` (a file that is not as
   * listed), `update-transfer` (could not be fetched), or `update-slots`.
   */
  install(offer: Offer, folder: string, tell: TellProgress, signal: AbortSignal): Promise<void>;

  /** Ends the trial of what runs: the loader stops counting. Does nothing when there is none. */
  bless(): Promise<void>;

  /** Has the loader take anything else rather than this version. Does nothing when it is not installed. */
  condemn(version: string): Promise<void>;
}
