import type { LocalRead, Operation, Request, Result } from "./history.ts";

/** What the clients of all machines wrote down. */
export interface History {
  readonly operations: readonly Operation[];
  readonly localReads: readonly LocalRead[];
}

interface Line {
  readonly machine: string;
  readonly client: number;
  readonly calledAt: number;
  readonly endedAt?: number;
  readonly key?: string;
  readonly request?: Request;
  readonly result?: Result | "unsent";
  readonly local?: true;
  readonly index?: number;
}

/** Puts calls and ends together; a call without an end has an unknown one, since its client lost its power. */
export function collect(logs: readonly string[]): History {
  const operations = new Map<string, Operation>();
  const localReads: LocalRead[] = [];
  for (const text of logs.join("\n").split("\n")) {
    if (text === "") continue;
    const line = JSON.parse(text) as Line;
    const { machine, calledAt, endedAt = Number.POSITIVE_INFINITY, key, request, result, index } = line;
    if (index !== undefined) localReads.push({ machine, calledAt, endedAt, index });
    if (key === undefined || request === undefined) continue;
    const id = `${machine} ${line.client} ${calledAt}`;
    if (result === "unsent") operations.delete(id);
    else operations.set(id, { key, request, calledAt, endedAt, result: known(result) });
  }
  return { operations: [...operations.values()], localReads };
}

/** JSON leaves out what is undefined. */
function known(result: Result | undefined): Result {
  if (result === undefined || result.kind === "unknown") return { kind: "unknown" };
  return { kind: result.kind, before: result.before };
}
