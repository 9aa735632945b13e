import { Fault, isFault } from "../lib/fault.ts";
import {
  type Command,
  type CommandGroup,
  exitCodes,
  type Flag,
  type FlagValues,
  isGroup,
  type Surroundings,
} from "./command.ts";
import { flagValues, type GivenFlags, parseWords } from "./flags.ts";
import { builtInCommand, commandHelp, groupHelp, helpFlag } from "./help.ts";
import { jsonFlag } from "./json.ts";
import { namesLike } from "./suggest.ts";

/**
 * Finds the command that `words` names, runs it, and returns the exit code of the process.
 * Whatever a user can cause ends as one sentence on standard error; only a bug throws.
 * @param words the command line without the program's name
 */
export async function runProgram(
  program: CommandGroup,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  const request = understand(program, words, surroundings.variables);
  if (request.kind === "run") return await run(request, surroundings);
  if (request.kind === "print") {
    surroundings.stdout.write(request.text);
    return exitCodes.done;
  }
  if (request.kind === "unknown" && program.refusal !== undefined) {
    const { text, code, onStandardOutput } = program.refusal.unknownCommand(
      request.name,
      request.isTopic === true,
    );
    surroundings[onStandardOutput === true ? "stdout" : "stderr"].write(text);
    return code;
  }
  surroundings.stderr.write(`Error: ${request.problem}\n${request.hint}\n`);
  return program.refusal?.usageCode ?? exitCodes.usage;
}

async function run(request: Run, surroundings: Surroundings): Promise<number> {
  const { path, command, flags } = request;
  try {
    return await command.run({ ...surroundings, path, arguments: request.arguments, flags });
  } catch (error) {
    // Whatever breaks after an interruption breaks because of it.
    if (surroundings.signal.aborted)
      return isFault(surroundings.signal.reason, "output-gone") ? outputGone : interrupted;
    if (!(error instanceof Fault)) throw error;
    surroundings.stderr.write(`Error: ${error.message.trimEnd()}\n`);
    return exitCodes.failed;
  }
}

/** What a shell reports for a program that SIGINT ended. */
const interrupted = 130;
/** What a shell reports for a program that SIGPIPE ended. */
const outputGone = 141;

interface Run {
  readonly kind: "run";
  readonly path: string;
  readonly command: Command;
  readonly flags: FlagValues;
  readonly arguments: readonly string[];
}

type Request =
  | Run
  | { readonly kind: "print"; readonly text: string }
  | { readonly kind: "refuse"; readonly problem: string; readonly hint: string }
  | Unknown;

interface Unknown {
  readonly kind: "unknown";
  readonly name: string;
  readonly problem: string;
  readonly hint: string;
  /** The name was a topic of `help`. */
  readonly isTopic?: boolean;
}

function understand(
  program: CommandGroup,
  words: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
): Request {
  let group = program;
  let path = program.name;
  let inherited: readonly Flag[] = [];
  let rest = words;
  const given = new Map<string, readonly string[]>();
  for (;;) {
    const scope = [...inherited, ...(group.flags ?? [])];
    const builtIn = group === program && program.version !== undefined ? [helpFlag, versionFlag] : [helpFlag];
    const parsed = parseWords(rest, [...scope, ...builtIn], true);
    if ("problem" in parsed) return refuse(parsed.problem, path);
    merge(given, parsed.given);
    if (switchedOn(parsed.given, versionFlag)) return { kind: "print", text: versionLine(program) };
    const [typed, ...others] = parsed.words;
    const name = typed === undefined ? undefined : wholeName(group, typed);
    if (name === undefined || switchedOn(parsed.given, helpFlag)) {
      // A program that has to refuse in words of its own has its own order, too: there the flag means the program.
      const topic = program.refusal === undefined ? parsed.words : [];
      return helpFor(program, group, path, inherited, topic);
    }
    if (name === "help") return helpFor(program, group, path, inherited, others);
    const entry = findEntry(group, name);
    if (entry === undefined) {
      if (name === "version" && program.version !== undefined)
        return versionRequest(program, group, path, scope, others);
      return unknownCommand(group, path, name);
    }
    path = `${path} ${entry.name}`;
    if (!isGroup(entry)) return understandCommand(entry, path, scope, given, others, variables);
    group = entry;
    inherited = scope;
    rest = others;
  }
}

function understandCommand(
  command: Command,
  path: string,
  inherited: readonly Flag[],
  before: GivenFlags,
  words: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
): Request {
  const flags = [...(command.flags ?? []), ...inherited];
  const parsed = parseWords(
    words,
    [...flags, helpFlag],
    command.passesFlagsOn === true,
    command.dashedArguments === true,
  );
  if ("problem" in parsed) return refuse(parsed.problem, path);
  if (switchedOn(parsed.given, helpFlag))
    return { kind: "print", text: commandHelp(path, command, inherited) };
  const given = new Map(before);
  merge(given, parsed.given);
  const values = flagValues(flags, given, variables);
  if ("problem" in values) return refuse(values.problem, path);
  const problem = problemWithArity(command, parsed.words.length);
  if (problem !== undefined) return refuse(problem, path);
  return { kind: "run", path, command, flags: values, arguments: parsed.words };
}

function problemWithArity(command: Command, count: number): string | undefined {
  const { least = 0, most = Number.POSITIVE_INFINITY } = command.arity ?? {};
  if (count < least) return `${command.name} needs ${command.usage}`;
  if (count > most)
    return `too many arguments: ${command.name} takes ${command.usage === "" ? "none" : command.usage}`;
  return undefined;
}

function helpFor(
  program: CommandGroup,
  group: CommandGroup,
  path: string,
  inherited: readonly Flag[],
  names: readonly string[],
): Request {
  const scope = [...inherited, ...(group.flags ?? [])];
  const [name, ...others] = names;
  if (name === undefined) return { kind: "print", text: groupHelp(path, group, inherited) };
  const entry = findEntry(group, name);
  const whole = wholeName(group, name);
  if (entry === undefined && builtInNames(program, group).includes(whole))
    return { kind: "print", text: builtInHelp(program, group, path, inherited, whole) };
  if (entry === undefined) return { ...unknownCommand(group, path, name), isTopic: true };
  if (isGroup(entry)) return helpFor(program, entry, `${path} ${entry.name}`, scope, others);
  return { kind: "print", text: commandHelp(`${path} ${entry.name}`, entry, scope) };
}

function builtInNames(program: CommandGroup, group: CommandGroup): readonly string[] {
  return group === program && program.version !== undefined ? ["help", "version"] : ["help"];
}

function builtInHelp(
  program: CommandGroup,
  group: CommandGroup,
  path: string,
  inherited: readonly Flag[],
  name: string,
): string {
  if (program.refusal !== undefined) return groupHelp(path, group, inherited);
  return commandHelp(`${path} ${name}`, builtInCommand(program, path, name), []);
}

/** `help` and `version` may be shortened as commands are, where no command begins with the same letters. */
function wholeName(group: CommandGroup, typed: string): string {
  if (group.prefixes !== true || typed === "") return typed;
  const taken = group.commands.some((entry) => entry.name.startsWith(typed));
  const builtIn = ["help", "version"].filter((name) => name.startsWith(typed));
  return taken ? typed : (builtIn[0] ?? typed);
}

/** An entry by its name or, where the group allows it, by a prefix that no other listed entry has. */
export function findEntry(group: CommandGroup, name: string): Command | CommandGroup | undefined {
  const exact = group.commands.find((entry) => entry.name === name);
  if (exact !== undefined || group.prefixes !== true) return exact;
  const listed = group.commands.filter(
    (entry) => isGroup(entry) || (entry.hidden !== true && entry.wholeNameOnly !== true),
  );
  const matching = listed.filter((entry) => entry.name.startsWith(name));
  return matching.length === 1 ? matching[0] : undefined;
}

function unknownCommand(group: CommandGroup, path: string, name: string): Unknown {
  const like = namesLike(
    name,
    group.commands.map((entry) => entry.name),
  );
  const guess = like.length === 0 ? "" : `; did you mean ${like.map((other) => `"${other}"`).join(" or ")}?`;
  const problem = `unknown command "${name}" for "${path}"${guess}`;
  return { kind: "unknown", name, problem, hint: hintFor(path) };
}

function refuse(problem: string, path: string): Request {
  return { kind: "refuse", problem, hint: hintFor(path) };
}

function hintFor(path: string): string {
  return `Run "${path} --help" for usage.`;
}

export const versionFlag: Flag = {
  name: "version",
  short: "v",
  kind: "switch",
  summary: "print the version",
};

function versionLine(program: CommandGroup): string {
  return program.versionText ?? `${program.name} version ${program.version ?? ""}\n`;
}

/** `version` has no file of its own, but takes flags as every command that reads something does. */
function versionRequest(
  program: CommandGroup,
  group: CommandGroup,
  path: string,
  scope: readonly Flag[],
  words: readonly string[],
): Request {
  const parsed = parseWords(words, [...scope, jsonFlag, helpFlag], false);
  if ("problem" in parsed) return refuse(parsed.problem, path);
  if (switchedOn(parsed.given, helpFlag))
    return { kind: "print", text: builtInHelp(program, group, path, [], "version") };
  const { name, version } = program;
  if (!switchedOn(parsed.given, jsonFlag)) return { kind: "print", text: versionLine(program) };
  return { kind: "print", text: `${JSON.stringify({ name, version }, null, 2)}\n` };
}

function switchedOn(given: GivenFlags, flag: Flag): boolean {
  const value = given.get(flag.name)?.at(-1);
  return value !== undefined && !/^(0|f)/i.test(value);
}

function merge(into: Map<string, readonly string[]>, more: GivenFlags): void {
  for (const [name, values] of more) into.set(name, [...(into.get(name) ?? []), ...values]);
}
