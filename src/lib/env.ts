/**
 * What a daemon may ask of the outside world besides its own seams: time, chance and a log.
 * Passed in as an argument everywhere, so that a test or a simulation can replace all three.
 */
export interface Env {
  readonly clock: Clock;
  /** A number in [0, 1), as Math.random gives. */
  readonly random: () => number;
  readonly log: Log;
}

/** Time. Every duration in Argosy's code is in milliseconds and its name ends in `Ms`. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Milliseconds of a clock that never jumps; only differences mean something. */
  monotonic(): number;
  /** Resolves after `ms`, soon when that is zero or less; rejects with the signal's reason as soon as the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Values that belong to a log line, printed as `name=value` behind the sentence. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where daemons write what an operator should know; levels are those of syslog that we use. */
export interface Log {
  debug(sentence: string, fields?: LogFields): void;
  info(sentence: string, fields?: LogFields): void;
  warning(sentence: string, fields?: LogFields): void;
  error(sentence: string, fields?: LogFields): void;
}
