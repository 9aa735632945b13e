import type { MachineId, UnitName } from "./model.ts";

/** What the API can tell about units of the machine it runs on, beyond what the registry holds. */
export interface LocalMachine {
  readonly id: MachineId;

  /** What `systemctl status -l UNIT` prints here, and its exit code (systemd: 0 running, 3 not running). */
  status(unit: UnitName): Promise<CommandOutput>;

  /** What `journalctl --unit UNIT` prints here. Ends when `signal` is aborted or, without `follow`, at the last line. */
  journal(
    unit: UnitName,
    options: JournalOptions & JournalSpan,
    signal: AbortSignal,
  ): ReadableStream<Uint8Array>;
}

export interface CommandOutput {
  readonly text: string;
  readonly exitCode: number;
}

export interface JournalOptions {
  /** How many of the last lines to begin with. */
  readonly lines: number;
  /** Keep the stream open for lines to come. */
  readonly follow: boolean;
  /** journalctl's `--output`, one of `journalOutputs`. */
  readonly output: string;
}

/** From when to when, in ms since 1970 by the machine's own clock: the first is in it, the last is not. */
export interface JournalSpan {
  readonly sinceMs?: number;
  readonly endMs?: number;
}

/** From when to when, as one asks who does not know the machine's clock. */
export interface JournalWindow {
  /** Only lines of so many milliseconds before now. */
  readonly withinMs?: number;
  /** Only lines from this instant on, which an answer named before; counts more than `withinMs`. */
  readonly sinceMs?: number;
  /** Only lines that were written more than so many milliseconds ago; the answer names the instant that lies so far back. */
  readonly olderMs?: number;
}

/** journalctl's output formats that are text (systemd 252). */
export const journalOutputs: readonly string[] = [
  "short",
  "short-full",
  "short-iso",
  "short-iso-precise",
  "short-precise",
  "short-monotonic",
  "short-unix",
  "verbose",
  "export",
  "json",
  "json-pretty",
  "json-sse",
  "json-seq",
  "cat",
  "with-unit",
];

/** Lines of a journal that can be asked for at once. */
export const mostJournalLines = 100_000;

/**
 * Asks another machine's API; `path` begins with `/` and has its query. Throws Fault `machine-unreachable`.
 * The answer is passed on as it is.
 */
export type FetchMachine = (machine: MachineId, path: string, signal: AbortSignal) => Promise<Response>;
