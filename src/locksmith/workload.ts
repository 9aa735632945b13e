/** How this machine takes units of the cluster. */
export type Taking = "ready" | "cordoned" | "draining" | "drained";

/** This machine's part in the cluster's work, at one moment. */
export interface Share {
  readonly taking: Taking;
  /** Since when it takes no new units, as the cluster tells it: names one cordon or drain among all. */
  readonly since: string | undefined;
  /** How many other machines there are that could take its units over. */
  readonly others: number;
  /** Units that are well here and are of this machine: global ones, and those that may run or run only here. */
  readonly well: { readonly global: readonly string[]; readonly placed: readonly string[] };
  /** Units that are to run here at this moment, whether they do or not. */
  readonly wanted: readonly string[];
}

/** The cluster's units, as one machine sees them. Every call throws Fault `workload-unavailable` when nobody answers. */
export interface Workload {
  share(): Promise<Share>;

  /** Has the units leave this machine, each well elsewhere before it stops here where that is possible; gives `Share.since`. */
  drain(): Promise<string | undefined>;

  /** Takes no new units, and has none leave. */
  cordon(): Promise<void>;

  /** Takes units again. */
  uncordon(): Promise<void>;

  /**
   * Resolves when no unit can leave this machine any more and none is on its way, and when somebody has ended the drain.
   * Waits as long as nobody answers.
   * @param tell gets one sentence whenever what is waited for changes
   */
  untilDrained(tell: (sentence: string) => void, signal: AbortSignal): Promise<void>;

  /**
   * Resolves when this machine is part of the cluster and each unit is well, or not wanted any more. Waits as long as nobody
   * answers.
   * @param units `here` have to be well on this machine; `placed` need a place, and have to be well when that is here
   */
  untilWell(
    units: { readonly here: readonly string[]; readonly placed: readonly string[] },
    tell: (sentence: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
}
