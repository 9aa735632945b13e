import type { Env } from "../lib/env.ts";

/** One command a person can type. A plain value: a test calls `run` with a `Call` of its own. */
export interface Command {
  readonly name: string;
  /** One line without a full stop, for the list of commands. */
  readonly summary: string;
  /** The arguments as usage shows them, such as `UNIT...`; empty for none. */
  readonly usage: string;
  /** What it does, waits for and returns, in a few sentences. */
  readonly description: string;
  readonly flags?: readonly Flag[];
  /** How many arguments it takes; without it any number is passed on. */
  readonly arity?: Arity;
  /** True when everything behind the first argument belongs to a command that is run elsewhere, so its flags are not ours. */
  readonly passesFlagsOn?: boolean;
  /** True when behind the first argument what begins with a dash and is no flag is an argument, such as `-5` in `set KEY -5`. */
  readonly dashedArguments?: boolean;
  readonly examples: readonly [Example, ...Example[]];
  /** Works, but is not listed in help (deprecated or internal). */
  readonly hidden?: boolean;
  /** True for a name that came later: no prefix stands for it, so that prefixes which people know keep their meaning. */
  readonly wholeNameOnly?: boolean;
  /** What a shell offers for the arguments. */
  readonly choices?: Choices;
  /** Carries the command out and returns the exit code. A thrown Fault becomes `Error: SENTENCE` and exit code 1. */
  run(call: Call): Promise<number>;
}

/** Commands under one name, such as `fleetctl` or `argosy lab`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Flags that are accepted before and behind the name of each command below. */
  readonly flags?: readonly Flag[];
  readonly commands: readonly (Command | CommandGroup)[];
  /** True when a unique prefix of a command's name is enough (fleetctl's `unl` for `unload`). */
  readonly prefixes?: boolean;
  /** Printed by `--version` and in help; `version` alone prints `NAME version VERSION`. Only on the outermost group. */
  readonly version?: string;
  /** What `--version` prints where that has to be as in the program it follows. Only on the outermost group. */
  readonly versionText?: string;
  /** How a command line that is not understood ends, where that has to be so. Only on the outermost group. */
  readonly refusal?: {
    /** The exit code for flags and arguments that are not understood. */
    readonly usageCode: number;
    /** @param isTopic the name was asked about with `help`, not called */
    readonly unknownCommand: (
      name: string,
      isTopic: boolean,
    ) => { readonly text: string; readonly code: number; readonly onStandardOutput?: boolean };
  };
}

/** What can stand somewhere on a command line, for a shell to offer. */
export interface Choices {
  /** Names of files stand there, too. */
  readonly files?: boolean;
  /** Several of these can stand there, with commas between them. */
  readonly commas?: boolean;
  /** Words known beforehand. */
  readonly words?: readonly string[];
  /** Words that have to be asked for; the call has the flags and arguments typed so far. A Fault means none. */
  ask?(call: Call): Promise<readonly Choice[]>;
}

export interface Choice {
  readonly word: string;
  /** A few words beside it, where the shell shows such. */
  readonly meaning?: string;
}

export interface Arity {
  readonly least: number;
  /** Undefined: no upper bound. */
  readonly most?: number;
}

export interface Example {
  readonly line: string;
  readonly meaning: string;
}

/**
 * A flag. Written `--name`, `--name=value`, `--name value`, or with one dash, as Go's flag packages take them;
 * `switch` flags take a value only with `=` (`--full=false`).
 */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  /** `number` is a whole number, not negative unless `signed`; `seconds` a decimal number of seconds or a Go duration such as `1m30s`. */
  readonly kind: "switch" | "text" | "number" | "seconds";
  readonly summary: string;
  /** A `number` flag that may be negative as well. */
  readonly signed?: boolean;
  /** One letter that means the same, such as `f` for `follow`. */
  readonly short?: string;
  /** What the value stands for in help, such as `URL`. */
  readonly placeholder?: string;
  /** The value when it is not given, written as on the command line. A switch is off without it. */
  readonly otherwise?: string;
  /** The environment variable that gives the value when the command line does not. */
  readonly variable?: string;
  /** The flag may be given several times; read with `all`. */
  readonly repeated?: boolean;
  /** Accepted but not shown in help: deprecated or without effect. */
  readonly hidden?: boolean;
  /** What a shell offers for the value. */
  readonly choices?: Choices;
}

/** The flags of one call, looked up by the declared name. Asking for a flag that is not declared is a bug. */
export interface FlagValues {
  /** Whether a switch is on. */
  on(name: string): boolean;
  /** The text of a flag, or undefined when it was not given and has no `otherwise`. */
  text(name: string): string | undefined;
  /** The value of a `number` flag; or undefined as above. */
  number(name: string): number | undefined;
  /** The value of a `seconds` flag in milliseconds; or undefined as above. */
  milliseconds(name: string): number | undefined;
  /** Each value of a repeated flag, in order. */
  all(name: string): readonly string[];
  /** Whether the command line or the environment gave the flag. */
  given(name: string): boolean;
}

/** One invocation of a command: its words, and all it may see and touch of the process it runs in. */
export interface Call extends Surroundings {
  /** What the user typed to get here, such as `argosy lab up`. */
  readonly path: string;
  readonly arguments: readonly string[];
  readonly flags: FlagValues;
}

/** What a process gives to the command that runs in it. Tests make their own. */
export interface Surroundings {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Input;
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly files: Files;
  readonly env: Env;
  /** Aborted when the user interrupts the command. */
  readonly signal: AbortSignal;
}

export interface Output {
  /** Adds text as it is; lines need their own `\n`. Text for a reader that went away is dropped. */
  write(text: string): void;
  /** Resolves once what was written has been taken, so that a long stream does not fill the memory. */
  drained(): Promise<void>;
  readonly isTerminal: boolean;
  /** How many columns the terminal has; undefined without one. */
  readonly columns?: number;
}

export interface Input {
  /** All of standard input as UTF-8 text. Throws Fault `input-too-large`. */
  text(): Promise<string>;
  readonly isTerminal: boolean;
}

/** Local files as commands need them. */
export interface Files {
  /** The UTF-8 text of a file, or undefined when there is none. Throws Fault `file-unreadable`. */
  read(path: string): Promise<string | undefined>;
  /** The names in a folder, in no particular order; none when there is no such folder. Throws Fault `file-unreadable`. */
  list(folder: string): Promise<readonly string[]>;
}

/** Exit codes that every program of ours shares. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** The command line cannot be understood; nothing was done. */
  usage: 2,
  /** fleetctl: the registry took the unit, but no machine can run it now. */
  notPlaced: 3,
} as const;

/** Whether an entry of a group is a group itself. */
export function isGroup(entry: Command | CommandGroup): entry is CommandGroup {
  return "commands" in entry;
}
