import type { Call } from "../cli/command.ts";
import { ClusterUnavailable } from "../keys/client.ts";
import { Fault, isFault } from "../lib/fault.ts";

/** Exit codes of etcdctl 3.4 (v2). */
export const exits = {
  done: 0,
  /** Arguments that make no sense, a directory where a value is wanted, and every failure of member, user, role and auth. */
  failed: 1,
  /** No server could be reached. */
  connection: 2,
  unknownCommand: 3,
  /** A server answered with an error, or the request failed. */
  server: 4,
  /** The cluster is not healthy. */
  unhealthy: 5,
} as const;

/** How a command words its errors: those about keys have a prefix, the others have none. */
export type Voice = "keys" | "bare";

/** Ends a command with an exit code and what to say on standard error. */
export class Outcome extends Fault {
  readonly exitCode: number;
  readonly voice: Voice;

  constructor(exitCode: number, problem: string | Error, voice: Voice = "bare") {
    super("outcome", typeof problem === "string" ? problem : problem.message, { cause: problem });
    this.exitCode = exitCode;
    this.voice = voice;
  }
}

/** A mistake in the arguments of a command about keys. */
export function misused(problem: string): Outcome {
  return new Outcome(exits.failed, problem, "keys");
}

/** A flag whose value makes no sense. */
export function badFlag(problem: string): Outcome {
  return new Outcome(exits.failed, `Incorrect Usage: ${problem}`);
}

/** A mistake in the arguments of any other command. */
export function mistaken(problem: string): Outcome {
  return new Outcome(exits.failed, problem);
}

/** Carries a command out and tells what went wrong in the way of etcdctl; returns the exit code. */
export async function settle(call: Call, voice: Voice, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    const outcome =
      error instanceof Outcome
        ? error
        : new Outcome(voice === "keys" ? exits.server : exits.failed, error, voice);
    tell(call, outcome);
    return outcome.exitCode;
  }
}

function tell(call: Call, { message, voice, cause }: Outcome): void {
  call.stderr.write(voice === "keys" ? `Error:  ${message}\n` : `${message}\n`);
  if (voice === "keys" && cause instanceof ClusterUnavailable) {
    const lines = cause.troubles.map((trouble, index) => `error #${index}: ${trouble}\n`);
    call.stderr.write(`${lines.join("")}\n`);
  }
}
