import { spacedTable } from "../lib/table.ts";
import { type Command, type CommandGroup, type Flag, isGroup } from "./command.ts";
import { jsonFlag } from "./json.ts";

/** The flags that every command has. */
export const helpFlag: Flag = { name: "help", short: "h", kind: "switch", summary: "print this help" };

/**
 * The help of one command.
 * @param path what the user types to get here, such as `fleetctl start`
 * @param inherited flags of the groups above it
 */
export function commandHelp(path: string, command: Omit<Command, "run">, inherited: readonly Flag[]): string {
  const own = [...(command.flags ?? []), helpFlag];
  return joinSections([
    section("NAME", [`${path} - ${command.summary}`]),
    section("USAGE", [[path, "[OPTIONS]", command.usage].filter((word) => word !== "").join(" ")]),
    section("DESCRIPTION", wrap(command.description)),
    section("OPTIONS", flagLines(own)),
    section("GLOBAL OPTIONS", flagLines(inherited)),
    section(
      "EXAMPLES",
      command.examples.flatMap((example, index) => [
        ...(index === 0 ? [] : [""]),
        `# ${example.meaning}`,
        `$ ${example.line}`,
      ]),
    ),
  ]);
}

/** What there is to say about the commands that every program has, where it follows no other program in them. */
export function builtInCommand(program: CommandGroup, path: string, name: string): Omit<Command, "run"> {
  if (name === "version")
    return {
      name,
      summary: "Print the version and exit",
      usage: "",
      description: `Prints the version of ${program.name}, as --version does; with --json an object with its name and version.`,
      flags: [jsonFlag],
      examples: [{ line: `${path} version --json`, meaning: "for programs" }],
    };
  return {
    name,
    summary: "Show a list of commands or help for one command",
    usage: "[COMMAND]",
    description: "Prints what --help prints behind the command.",
    examples: [{ line: `${path} help`, meaning: "which commands there are" }],
  };
}

/** The help of a group: its commands, one line each. */
export function groupHelp(path: string, group: CommandGroup, inherited: readonly Flag[]): string {
  const commands = group.commands
    .filter((entry) => isGroup(entry) || entry.hidden !== true)
    .map((entry) => [entry.name, entry.summary]);
  const builtIn = group.version === undefined ? [] : [["version", "Print the version and exit"]];
  const help = [["help", "Show a list of commands or help for one command"]];
  const rows = [...commands, ...help, ...builtIn].sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return joinSections([
    section("NAME", [`${path} - ${group.summary}`]),
    section("USAGE", [`${path} [OPTIONS] COMMAND [ARGUMENTS...]`]),
    section("VERSION", group.version === undefined ? [] : [group.version]),
    section("COMMANDS", spacedTable(rows)),
    section("DESCRIPTION", wrap(group.description)),
    section("GLOBAL OPTIONS", flagLines([...inherited, ...(group.flags ?? []), helpFlag])),
    `Run "${path} help COMMAND" for the flags and examples of one command.\n`,
  ]);
}

function flagLines(flags: readonly Flag[]): readonly string[] {
  const shown = flags.filter((flag) => flag.hidden !== true);
  return spacedTable(shown.map((flag) => [flagSyntax(flag), flagMeaning(flag)]));
}

function flagSyntax(flag: Flag): string {
  const value = flag.kind === "switch" ? "" : `=${flag.placeholder ?? placeholders[flag.kind]}`;
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  return `${short}--${flag.name}${value}`;
}

const placeholders = { text: "TEXT", number: "N", seconds: "SECONDS" } as const;

function flagMeaning(flag: Flag): string {
  const notes = [
    ...(flag.otherwise === undefined || flag.otherwise === "" ? [] : [`default ${flag.otherwise}`]),
    ...(flag.variable === undefined ? [] : [`environment ${flag.variable}`]),
    ...(flag.repeated === true ? ["may be repeated"] : []),
  ];
  return notes.length === 0 ? flag.summary : `${flag.summary} (${notes.join(", ")})`;
}

function section(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  return `${title}:\n${lines.map((line) => (line === "" ? "\n" : `  ${line}\n`)).join("")}`;
}

function joinSections(sections: readonly string[]): string {
  return sections.filter((text) => text !== "").join("\n");
}

/** Columns of running text in help. */
const helpWidth = 96;

function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > helpWidth) {
        lines.push(line);
        line = word;
      } else {
        line = line === "" ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}
