import type { Call } from "../cli/command.ts";
import type { Env } from "../lib/env.ts";
import type { EngineReport, EngineStatus } from "../update/status.ts";

/** This machine's update-engine, as commands reach it. Methods throw Fault `update-refused` with its reason, or `update-engine-unavailable`. */
export interface UpdateEngineAccess {
  /** The values that update_engine of CoreOS tells. */
  status(): Promise<EngineStatus>;
  /** Everything that can be told. */
  report(): Promise<EngineReport>;
  /** Asks for a check; comes at the wrong time without an error. */
  attempt(): Promise<void>;
  /** Forgets that a reboot is wanted. */
  reset(): Promise<void>;
  /** Asks for a check. @param again also takes what was refused before */
  check(again: boolean): Promise<void>;
  hold(reason: string): Promise<void>;
  release(): Promise<void>;
  rollback(): Promise<void>;
  /** Resolves after the next change, or at once when there was one since the last call. */
  changed(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Connects. The library comes with the daemons, so only when it is called. */
export type OpenUpdateEngine = (env: Env) => Promise<UpdateEngineAccess>;

/** Carries out `work` with a connection, and closes it. */
export async function withUpdateEngine<Result>(
  call: Call,
  open: OpenUpdateEngine,
  work: (engine: UpdateEngineAccess) => Promise<Result>,
): Promise<Result> {
  const engine = await open(call.env);
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

/** Whether an engine is neither asking nor installing. */
export function isSettled({ phase }: EngineReport): boolean {
  return ["idle", "failed", "held", "staged", "reboot-wanted"].includes(phase);
}
