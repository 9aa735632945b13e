import { type Call, type Command, exitCodes } from "../cli/command.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import { type JournalOptions, journalOutputs } from "../fleet/local-machine.ts";
import type { UnitName } from "../fleet/model.ts";
import { isFault } from "../lib/fault.ts";
import { fail } from "./columns.ts";
import { knownUnits } from "./choices.ts";
import type { Connect, Outside } from "./connect.ts";
import { followJournals } from "./journal-follow.ts";
import { fitsNothing, isWanted, namesOf } from "./names.ts";
import { isUnanswered, runWhereUnitIs } from "./remote.ts";
import { sshPortFlag } from "./ssh.ts";

/** `fleetctl journal`: the journal of a unit, from its machine. */
export function journal(connect: Connect, outside: Outside): Command {
  return {
    name: "journal",
    summary: "Print the journal of a unit, wherever it is",
    usage: "UNIT",
    description:
      "Prints the last lines of a unit's journal from the machine it is on; of a global unit, from all machines. With --follow it goes on with new lines, wherever the unit goes, and a pattern follows several units at once. The API is asked, and ssh only where the API does not reach the machine.",
    flags: [
      { name: "lines", short: "n", kind: "number", summary: "how many lines", otherwise: "10" },
      { name: "follow", short: "f", kind: "switch", summary: "go on printing lines as they come" },
      {
        name: "output",
        short: "o",
        kind: "text",
        placeholder: "FORMAT",
        summary: "journalctl's --output",
        choices: { words: journalOutputs },
        otherwise: "short",
      },
      { name: "json", kind: "switch", summary: "the same as --output=json: one JSON object for each line" },
      {
        name: "sudo",
        kind: "switch",
        summary: "where the journal is read by ssh: as root; the API may read every journal",
      },
      sshPortFlag,
    ],
    choices: knownUnits(connect),
    examples: [
      { line: "fleetctl journal --lines=100 hello.service", meaning: "the last 100 lines" },
      { line: "fleetctl journal -f 'web@*'", meaning: "follow all instances" },
    ],
    run: async (call) => await run(call, connect, outside),
  };
}

async function run(call: Call, connect: Connect, outside: Outside): Promise<number> {
  const [argument] = call.arguments;
  if (argument === undefined || call.arguments.length > 1)
    return fail(call, "One unit file must be provided.");
  const client = connect(call);
  const names = await namesOf(call.arguments, client, isWanted);
  if (names.length === 0) return fitsNothing(call, argument);
  const options = optionsOf(call);
  if (options.follow) return await printed(call, outside, client, names, options);
  for (const name of names) {
    const code = await printed(call, outside, client, [name], options);
    if (code !== exitCodes.done) return code;
  }
  return exitCodes.done;
}

/** Prints the journals, or says why not; the exit code. */
async function printed(
  call: Call,
  outside: Outside,
  client: FleetClient,
  names: readonly UnitName[],
  options: JournalOptions,
): Promise<number> {
  const [name = ""] = names;
  try {
    if (options.follow) await follow(call, client, names, options);
    else await print(call, client, name, options);
    return exitCodes.done;
  } catch (error) {
    if (isFault(error, "unit-missing")) return doesNotExist(call, name);
    if (isFault(error, "unit-nowhere", "api-409")) return isNotRunning(call, name);
    if (isUnanswered(error)) return await overSsh(call, client, outside, name, options);
    if (isFault(error, "api-404")) return doesNotExist(call, name);
    throw error;
  }
}

function optionsOf(call: Call): JournalOptions {
  return {
    lines: call.flags.number("lines") ?? 10,
    follow: call.flags.on("follow"),
    output: call.flags.on("json") ? "json" : (call.flags.text("output") ?? "short"),
  };
}

function doesNotExist(call: Call, name: UnitName): number {
  return fail(call, `Unit ${name} does not exist.`);
}

function isNotRunning(call: Call, name: UnitName): number {
  return fail(call, `Unit ${name} does not appear to be running.`);
}

async function write(call: Call, text: string): Promise<void> {
  call.stdout.write(text);
  await call.stdout.drained();
}

async function print(
  call: Call,
  client: FleetClient,
  name: UnitName,
  options: JournalOptions,
): Promise<void> {
  for await (const piece of client.journal(name, options, call.signal)) await write(call, piece);
}

async function follow(
  call: Call,
  client: FleetClient,
  names: readonly UnitName[],
  options: JournalOptions,
): Promise<void> {
  const { env, signal } = call;
  await followJournals({
    client,
    env,
    signal,
    names,
    options,
    write: async (text) => await write(call, text),
  });
}

/** As fleetctl v1.0.0 read every journal: when the API cannot, by ssh from the machine itself. */
async function overSsh(
  call: Call,
  client: FleetClient,
  outside: Outside,
  name: UnitName,
  { lines, follow: isFollowed, output }: JournalOptions,
): Promise<number> {
  const words = ["journalctl", "--unit", name, "--no-pager", "-n", String(lines), "--output", output];
  const command = [...(call.flags.on("sudo") ? ["sudo"] : []), ...words, ...(isFollowed ? ["-f"] : [])];
  const code = await runWhereUnitIs(call, outside, client, name, command);
  if (code === "missing") return doesNotExist(call, name);
  return code === "nowhere" ? isNotRunning(call, name) : code;
}
