import { Fault } from "../lib/fault.ts";
import {
  type Call,
  type Choice,
  type Choices,
  type Command,
  type CommandGroup,
  exitCodes,
  type Flag,
  isGroup,
  type Surroundings,
} from "./command.ts";
import { completionScripts } from "./completion-scripts.ts";
import { flagValues, type GivenFlags, parseWords } from "./flags.ts";
import { helpFlag } from "./help.ts";
import { findEntry, versionFlag } from "./program.ts";

/** How long a shell waits for words that have to be asked for, in ms; nobody waits longer for a Tab. */
const patienceMs = 2000;

/** The word that completion scripts put before what was typed. */
const askWord = "__complete";

/**
 * A program that completes its command lines in shells. Two commands come to it: `completion`, which prints the script
 * for a shell, and a hidden one that the script asks at each Tab.
 */
export function withCompletion(program: CommandGroup): CommandGroup {
  const whole: CommandGroup = {
    ...program,
    commands: [...program.commands, completion(program.name), answer(() => whole)],
  };
  return whole;
}

function completion(name: string): Command {
  const shells = Object.keys(completionScripts);
  return {
    name: "completion",
    summary: "Print the script that completes command lines in bash, zsh or fish",
    usage: shells.join("|"),
    description: `Prints a script for a shell that completes commands, flags and names of ${name}. To have it in every new shell, let the shell's start file read it.`,
    arity: { least: 1, most: 1 },
    wholeNameOnly: true,
    choices: { words: shells },
    examples: [
      { line: `source <(${name} completion bash)`, meaning: "in ~/.bashrc" },
      { line: `source <(${name} completion zsh)`, meaning: "in ~/.zshrc, behind compinit" },
      { line: `${name} completion fish | source`, meaning: "in ~/.config/fish/config.fish" },
    ],
    run: async (call) => {
      const shell = call.arguments[0] ?? "";
      const script = Object.hasOwn(completionScripts, shell) ? completionScripts[shell] : undefined;
      if (script === undefined) {
        throw new Fault("no-shell", `there is no completion for ${shell}, only for ${shells.join(", ")}`);
      }
      call.stdout.write(script(name, askWord));
      return exitCodes.done;
    },
  };
}

/**
 * Answers a completion script. The words behind `--` are those before the cursor, the last one up to it; the answer's
 * first line is `files` when names of files fit as well and else `only`, and each further one a word, a tab and its meaning.
 */
function answer(program: () => CommandGroup): Command {
  return {
    name: askWord,
    summary: "Answer a completion script",
    usage: "-- WORD...",
    description: "Prints what can stand in place of the last word.",
    hidden: true,
    passesFlagsOn: true,
    examples: [{ line: `fleetctl ${askWord} -- st`, meaning: "what begins with st" }],
    run: async (call) => {
      const { files, choices } = await choicesFor(program(), call.arguments, call);
      const lines = choices.map(({ word, meaning }) =>
        meaning === undefined ? word : `${word}\t${meaning}`,
      );
      call.stdout.write([files ? "files" : "only", ...lines, ""].join("\n"));
      return exitCodes.done;
    },
  };
}

/** What can stand in place of the last one of `words`, and whether names of files can. */
export async function choicesFor(
  program: CommandGroup,
  words: readonly string[],
  surroundings: Surroundings,
): Promise<{ readonly files: boolean; readonly choices: readonly Choice[] }> {
  const typed = words.at(-1) ?? "";
  const place = placeOf(program, words.slice(0, -1), typed);
  if (place === undefined) return { files: false, choices: [] };
  const choices = [...place.choices, ...(await asked(place, surroundings))];
  const fitting = choices.map((choice) => ({ ...choice, word: place.before + choice.word }));
  return { files: place.files, choices: fitting.filter(({ word }) => word.startsWith(typed)) };
}

/** What may stand at the cursor. */
interface Place {
  readonly files: boolean;
  readonly choices: readonly Choice[];
  /** The part of the typed word that the choices follow, such as `--fields=unit,`. */
  readonly before: string;
  readonly ask?: { readonly from: Choices; readonly position: Position };
}

/** How far a command line was understood. */
interface Position {
  readonly path: string;
  readonly entry: Command | CommandGroup;
  /** Flags that can stand here. */
  readonly flags: readonly Flag[];
  readonly given: GivenFlags;
  /** The arguments before the cursor. */
  readonly words: readonly string[];
  /** A flag whose value the cursor is at. */
  readonly flag?: Flag;
}

function placeOf(program: CommandGroup, before: readonly string[], typed: string): Place | undefined {
  const position = positionOf(program, before);
  if (position === undefined) return undefined;
  const { entry, flag, flags, words } = position;
  if (flag !== undefined) return placeIn(flag.choices, position, typed, "");
  const closed =
    before.includes("--") || (!isGroup(entry) && entry.passesFlagsOn === true && words.length > 0);
  if (typed.startsWith("-") && !closed) return placeOfFlag(position, flags, typed);
  if (isGroup(entry)) return { files: false, choices: commandsOf(entry), before: "" };
  const { most = Number.POSITIVE_INFINITY } = entry.arity ?? {};
  return words.length < most ? placeIn(entry.choices, position, typed, "") : undefined;
}

function placeOfFlag(position: Position, flags: readonly Flag[], typed: string): Place | undefined {
  const [, dashes = "", name = "", value] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(typed) ?? [];
  if (value !== undefined) {
    const flag = flags.find((each) => each.name === name || each.short === name);
    return placeIn(flag?.choices, position, value, `${dashes}${name}=`);
  }
  const shown = flags.filter(
    (flag) => flag.hidden !== true && (flag.repeated === true || !position.given.has(flag.name)),
  );
  const choices = shown.map(({ name: word, summary }) => ({ word: `--${word}`, meaning: summary }));
  return { files: false, choices, before: "" };
}

function placeIn(choices: Choices | undefined, position: Position, typed: string, before: string): Place {
  const words = (choices?.words ?? []).map((word) => ({ word }));
  const comma = choices?.commas === true ? typed.lastIndexOf(",") + 1 : 0;
  const place = {
    files: choices?.files === true,
    choices: words,
    before: before + typed.slice(0, comma),
  };
  return choices?.ask === undefined ? place : { ...place, ask: { from: choices, position } };
}

function commandsOf(group: CommandGroup): readonly Choice[] {
  const listed = group.commands.filter((entry) => isGroup(entry) || entry.hidden !== true);
  return [
    ...listed.map(({ name, summary }) => ({ word: name, meaning: summary })),
    { word: "help", meaning: "Show a list of commands or help for one command" },
    ...(group.version === undefined ? [] : [{ word: "version", meaning: "Print the version and exit" }]),
  ];
}

function positionOf(program: CommandGroup, before: readonly string[]): Position | undefined {
  let entry: Command | CommandGroup = program;
  let path = program.name;
  let flags: readonly Flag[] = [];
  let rest = before;
  let given: GivenFlags = new Map();
  for (;;) {
    flags = [...flags, ...(entry.flags ?? [])];
    const builtIn = entry === program && program.version !== undefined ? [helpFlag, versionFlag] : [helpFlag];
    const scope = [...flags, ...builtIn];
    const stop = isGroup(entry) || entry.passesFlagsOn === true;
    const parsed = parseOpen(rest, scope, stop);
    if (parsed === undefined) return undefined;
    given = new Map([...given, ...parsed.given]);
    const position = { path, entry, flags: scope, given, words: parsed.words };
    if (parsed.flag !== undefined) return { ...position, flag: parsed.flag };
    const [name, ...others] = parsed.words;
    if (!isGroup(entry) || name === undefined) return position;
    // `help` is followed by the commands of its group.
    const next: Command | CommandGroup | undefined = name === "help" ? entry : findEntry(entry, name);
    if (next === undefined) return undefined;
    if (next !== entry) path = `${path} ${next.name}`;
    else flags = [];
    entry = next;
    rest = others;
  }
}

interface OpenWords {
  readonly words: readonly string[];
  readonly given: GivenFlags;
  readonly flag?: Flag;
}

/** Words that the cursor follows: the last one may be a flag that still lacks its value. */
function parseOpen(words: readonly string[], flags: readonly Flag[], stop: boolean): OpenWords | undefined {
  const parsed = parseWords(words, flags, stop);
  if (!("problem" in parsed)) return parsed;
  const name = words.at(-1)?.replace(/^--?/, "");
  const flag = flags.find((each) => each.kind !== "switch" && (each.name === name || each.short === name));
  const whole = flag === undefined ? parsed : parseWords(words.slice(0, -1), flags, stop);
  return "problem" in whole || flag === undefined ? undefined : { ...whole, flag };
}

/** Asks for words, and does without when that fails or takes too long. */
async function asked({ ask }: Place, surroundings: Surroundings): Promise<readonly Choice[]> {
  if (ask?.from.ask === undefined) return [];
  const { position } = ask;
  const flags = flagValues(position.flags, position.given, surroundings.variables);
  if ("problem" in flags) return [];
  const late = new AbortController();
  const ended = new AbortController();
  const signal = AbortSignal.any([surroundings.signal, late.signal]);
  const { path, words } = position;
  const call: Call = { ...surroundings, ...silent, signal, path, flags, arguments: words };
  const alarm = surroundings.env.clock.sleep(patienceMs, ended.signal).then(
    () => {
      late.abort(new Fault("late", "nobody waits for this answer any more"));
      return [];
    },
    () => [],
  );
  try {
    const found = await Promise.race([ask.from.ask(call), alarm]);
    return found.filter(({ word }) => !words.includes(word));
  } catch (error) {
    if (error instanceof Fault) return [];
    throw error;
  } finally {
    ended.abort();
  }
}

/** What is asked for at a Tab has nothing to say beside its answer. */
const silent: Pick<Surroundings, "stdout" | "stderr"> = {
  stdout: { write: () => {}, drained: async () => {}, isTerminal: false },
  stderr: { write: () => {}, drained: async () => {}, isTerminal: false },
};
