import type { MachineControl } from "./machine-control.ts";
import type { RebootLock } from "./reboot-lock.ts";
import type { RebootTimes } from "./reboot-times.ts";
import type { TurnFile } from "./reboot-turn.ts";
import type { RebootReporter } from "./reporter.ts";
import type { StoreNews } from "./store-news.ts";
import type { UpdateSource } from "./update-status.ts";
import type { Workload } from "./workload.ts";

/** When a machine reboots, and what it asks for before (locksmith 0.6.2; `best-effort` of its earlier releases). */
export type Strategy = "etcd-lock" | "reboot" | "best-effort";

/** Where the packages are told that want a reboot (Debian's /run/reboot-required). */
export interface RequiredSource {
  /** Undefined when no reboot is required, or this does not count. */
  readonly packages: readonly string[] | undefined;
  subscribe(listener: () => void): () => void;
}

export interface LocksmithParts {
  readonly id: string;
  readonly strategy: Strategy;
  /** Undefined: any time will do. */
  readonly times: RebootTimes | undefined;
  /** How long the slot is kept for a machine that is not heard of; undefined: for ever. */
  readonly leaseMs: number | undefined;
  /** How long units have to leave; 0: they stay until the reboot stops them. */
  readonly drainMs: number;
  readonly machine: MachineControl;
  readonly lock: RebootLock;
  readonly workload: Workload;
  /** Why this machine's part of the store is not well; undefined when it is. */
  readonly storeProblem: () => Promise<string | undefined>;
  readonly news: Pick<StoreNews, "wish" | "ready" | "subscribe" | "fulfil">;
  readonly updates: UpdateSource;
  readonly required: RequiredSource;
  readonly file: TurnFile;
  readonly report: RebootReporter;
}
