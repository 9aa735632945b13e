import { Fault, sentenceOf } from "../lib/fault.ts";
import { type Action, givesAccess, type JobMethod, jobWord } from "./actions.ts";
import { bytesOf } from "./tree.ts";

/** What carrying out asks of a machine: the seam between plans and the world. */
export interface Machine {
  writeFile(path: string, content: Uint8Array, mode: number, owner: string | undefined): Promise<void>;
  mask(path: string): Promise<void>;
  /** False when the file holds something and stays. */
  unmask(path: string): Promise<boolean>;
  /** Runs a program to its end. Throws Fault `program-failed`. */
  run(program: readonly string[], stdin: string | undefined): Promise<void>;
  authorizeKeys(user: string, name: string, keys: readonly string[]): Promise<void>;
  /** The body of a URL that answers in time and within its limit. Throws Fault. */
  fetchText(url: string): Promise<string>;
  /** The host name of the kernel. */
  hostname(): Promise<string>;
  enable(unit: string, runtime: boolean): Promise<void>;
  reload(): Promise<void>;
  /** Queues a job and waits for its end. Why it failed, or undefined: one unit that is not there keeps no other from starting. */
  job(method: JobMethod, unit: string): Promise<string | undefined>;
  linksDown(names: readonly string[]): Promise<void>;
  /** Runs a script as a unit of its own and waits only for its start. */
  script(content: Uint8Array, workspace: string): Promise<void>;
}

/** Where it is told what happens. */
export interface Journal {
  note(sentence: string): void;
  error(sentence: string): void;
}

/**
 * Carries a plan out in order. When an action fails, those behind it are left, except what lets people log in: a
 * machine that nobody can reach cannot be repaired.
 * @param goesOn a failure is told, and the rest is done all the same
 * @returns the first failure, or undefined when everything was done
 */
export async function carryOut(
  actions: readonly Action[],
  machine: Machine,
  journal: Journal,
  goesOn = false,
): Promise<string | undefined> {
  let failure: string | undefined;
  for (const action of actions) {
    if (failure !== undefined && !goesOn && !givesAccess(action)) continue;
    try {
      await carryOutOne(action, machine, journal);
    } catch (error) {
      journal.error(`Failed to apply cloud-config: ${sentenceOf(error)}`);
      failure ??= sentenceOf(error);
    }
  }
  return failure;
}

async function carryOutOne(action: Action, machine: Machine, journal: Journal): Promise<void> {
  switch (action.kind) {
    case "write-file":
      return await machine.writeFile(action.path, action.content, action.mode, action.owner);
    case "write-hosts": {
      const text = `127.0.0.1 ${await machine.hostname()}\n`;
      return await machine.writeFile("/etc/hosts", new TextEncoder().encode(text), 0o644, undefined);
    }
    case "mask":
      return await machine.mask(action.path);
    case "unmask":
      if (!(await machine.unmask(action.path)))
        journal.note(`${action.path} is not null or empty, refusing to unmask`);
      return;
    case "run":
      return await machine.run(action.program, action.stdin);
    case "authorize-keys":
      return await machine.authorizeKeys(action.user, action.name, action.keys);
    case "fetch-keys": {
      const keys = keysIn(action.url, await machine.fetchText(action.url));
      return await machine.authorizeKeys(action.user, action.name, keys);
    }
    case "enable":
      return await machine.enable(action.unit, action.runtime);
    case "reload":
      return await machine.reload();
    case "job": {
      const complaint = await machine.job(action.method, action.unit);
      if (complaint !== undefined)
        journal.error(`Cannot ${jobWord(action.method)} ${action.unit}: ${complaint}`);
      return;
    }
    case "links-down":
      return await machine.linksDown(action.names);
    case "script":
      return await machine.script(bytesOf(action.text, action.binary === true), action.workspace);
    case "note":
      journal.note(action.sentence);
      return;
    case "fail":
      throw new Fault("cannot-apply", action.sentence);
  }
}

/** The keys in `[{"id": ..., "key": ...}]`. */
function keysIn(url: string, body: string): readonly string[] {
  let read: unknown;
  try {
    read = JSON.parse(body);
  } catch {
    throw new Fault("cannot-apply", `${url} does not answer with a JSON list of keys.`);
  }
  if (!Array.isArray(read))
    throw new Fault("cannot-apply", `${url} does not answer with a JSON list of keys.`);
  return read.flatMap((each: unknown): string[] =>
    typeof each === "object" && each !== null && "key" in each && typeof each.key === "string"
      ? [each.key]
      : [],
  );
}
