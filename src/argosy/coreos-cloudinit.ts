import { type Call, type Command, type CommandGroup, exitCodes, type Flag } from "../cli/command.ts";
import { type Action, actionLine, actionValue } from "../cloudinit/actions.ts";
import { applyUserData, findUserData, type NetworkFormat, networkFormats } from "../cloudinit/apply.ts";
import type { Datasource, SourceAccess } from "../cloudinit/datasources/datasource.ts";
import { BootRun, forgetfulness, foundPreset, lastingVariables } from "./cloudinit-boot.ts";
import { presets, sources } from "./cloudinit-sources.ts";
import { realAccess } from "../cloudinit/real-access.ts";
import { realFacts, realMachine } from "../cloudinit/real-machine.ts";
import { unpackUserData } from "../cloudinit/user-data.ts";
import { entryLine, validateUserData } from "../cloudinit/validate.ts";
import { productVersion } from "../lib/version.ts";

const flags: readonly Flag[] = [
  ...sources.map(
    ({ flag, value, summary }): Flag =>
      value === undefined
        ? { name: flag, kind: "switch", summary }
        : { name: flag, kind: "text", placeholder: value, summary },
  ),
  { name: "version", kind: "switch", summary: "print the version" },
  { name: "validate", kind: "switch", summary: "say what is wrong with user-data and do nothing" },
  { name: "ignore-failure", kind: "switch", summary: "exit with 0 even when user-data cannot be read" },
  {
    name: "oem",
    kind: "text",
    placeholder: "NAME",
    summary: `the sources of a provider: ${Object.keys(presets).join(", ")}; auto for the one this machine is at`,
    choices: { words: [...Object.keys(presets), "auto"] },
  },
  {
    name: "convert-netconf",
    kind: "text",
    placeholder: "FORMAT",
    summary: `set the network up as the datasource says, in the format ${networkFormats.join(", ")}`,
    choices: { words: networkFormats },
  },
  {
    name: "workspace",
    kind: "text",
    placeholder: "DIR",
    summary: "where scripts are kept",
    otherwise: "/var/lib/coreos-cloudinit",
  },
  {
    name: "ssh-key-name",
    kind: "text",
    placeholder: "NAME",
    summary: "under which name SSH keys are installed",
    otherwise: "coreos-cloudinit",
  },
  { name: "dry-run", kind: "switch", summary: "say what would be done, and do nothing" },
  { name: "json", kind: "switch", summary: "print the report of --validate or --dry-run as JSON" },
  {
    name: "no-block",
    kind: "switch",
    summary: "do not wait for the jobs of units",
  },
  {
    name: "boot",
    kind: "switch",
    summary: "as the units of the boot: wait for no unit, go on behind what fails, remember how it went",
  },
  {
    name: "before-network",
    kind: "switch",
    summary: "with --boot: leave what needs unknown addresses to a unit that runs behind the network",
  },
];

/** `coreos-cloudinit`: makes of a machine what its user-data says. */
export const cloudinitCommand: Command = {
  name: "coreos-cloudinit",
  summary: "Make of this machine what its cloud-config says",
  usage: "",
  description:
    "Finds user-data in the sources that are named, the first that is there, and carries it out: a cloud-config or a " +
    "script. Exits with 1 when something failed or user-data cannot be read, and with 2 when no source is named.",
  flags,
  arity: { least: 0, most: 0 },
  examples: [
    {
      line: "coreos-cloudinit --from-file cloud-config.yml",
      meaning: "carries the file out on this machine",
    },
    { line: "coreos-cloudinit --from-file cloud-config.yml --dry-run", meaning: "says what that would do" },
    {
      line: "coreos-cloudinit --validate --from-file cloud-config.yml",
      meaning: "says what is wrong with it",
    },
  ],
  run: async (call) => {
    const { flags: given, stdout, env, signal } = call;
    if (given.on("version")) {
      stdout.write(`coreos-cloudinit ${productVersion}\n`);
      return exitCodes.done;
    }
    // The original prints these on standard output.
    const refuse = (sentence: string): number => {
      stdout.write(`${sentence}\n`);
      return exitCodes.usage;
    };
    const oem = given.text("oem") === "auto" ? await foundPreset(Object.keys(presets)) : given.text("oem");
    if (oem === undefined && given.text("oem") === "auto") {
      log(call, "This machine is at no provider that is known");
      return exitCodes.done;
    }
    const preset = oem === undefined ? {} : Object.hasOwn(presets, oem) ? presets[oem] : undefined;
    if (preset === undefined)
      return refuse(`Invalid option to --oem: "${oem}"; give one of ${Object.keys(presets).join(", ")}.`);
    const format = given.text("convert-netconf") ?? preset["convert-netconf"] ?? "";
    const network = networkFormats.find((each) => each === format);
    if (format !== "" && network === undefined) {
      return refuse(
        `Invalid option to --convert-netconf: "${format}"; give one of ${networkFormats.join(", ")}.`,
      );
    }
    const access = realAccess(env, signal);
    const opened = sources.flatMap(({ flag, value, open }) => {
      const text = value === undefined ? String(given.on(flag)) : given.text(flag);
      const chosen = text === undefined || text === "false" ? preset[flag] : text;
      return chosen === undefined || chosen === "" ? [] : [open(chosen, access, call)];
    });
    if (opened.length === 0) {
      return refuse(
        "Provide at least one source of user-data, such as --from-file PATH; --help lists them all.",
      );
    }
    const source = await findUserData(opened, env, signal);
    if (source === undefined) {
      log(call, "No datasources available in time");
      return exitCodes.failed;
    }
    return given.on("validate") ? await validate(call, source) : await apply(call, source, access, network);
  },
};

/** The program of the name `coreos-cloudinit`. */
export const cloudinitProgram: CommandGroup = {
  name: "argosy",
  summary: cloudinitCommand.summary,
  description: cloudinitCommand.description,
  version: productVersion,
  commands: [cloudinitCommand],
};

async function validate({ flags: given, stdout, ...call }: Call, source: Datasource): Promise<number> {
  const packed = await source.userData();
  const { problem } = unpackUserData(packed);
  if (problem !== undefined)
    log(call, `Failed decompressing user-data from datasource: ${problem}. Continuing...`);
  const entries = validateUserData(packed);
  if (given.on("json")) stdout.write(`${JSON.stringify(entries, null, 2)}\n`);
  else for (const entry of entries) log(call, entryLine(entry));
  return entries.length === 0 ? exitCodes.done : exitCodes.failed;
}

async function apply(
  call: Call,
  source: Datasource,
  access: SourceAccess,
  convertNetwork: NetworkFormat | undefined,
): Promise<number> {
  const { flags: given, stdout, variables, env, signal } = call;
  const show = (actions: readonly Action[]): void => {
    stdout.write(
      given.on("json")
        ? `${JSON.stringify(actions.map(actionValue), null, 2)}\n`
        : actions.map((action) => `${actionLine(action)}\n`).join(""),
    );
  };
  const boot = given.on("boot") ? new BootRun(env, source, sourceFlags(call)) : undefined;
  const stage = boot?.stage(given.on("before-network"), signal);
  const journal = {
    note: (sentence: string) => log(call, sentence),
    error: (sentence: string) => log(call, sentence, "<3>"),
  };
  const code = await applyUserData(
    boot?.source ?? source,
    {
      ignoreFailure: given.on("ignore-failure"),
      convertNetwork,
      workspace: given.text("workspace") ?? "",
      variables: boot === undefined ? variables : await lastingVariables(variables),
      ...(given.on("dry-run") ? { show } : {}),
      ...(stage === undefined ? {} : { boot: stage }),
    },
    {
      machine: realMachine(access, !given.on("no-block") && boot === undefined),
      facts: await realFacts(given.text("ssh-key-name") ?? ""),
      journal: boot?.journal(journal) ?? journal,
      print: (text) => stdout.write(text),
    },
  );
  if (!given.on("dry-run")) {
    await boot?.finish(code).then(journal.note, (error: unknown) => journal.error(forgetfulness(error)));
  }
  return code;
}

/** The flags that named the source, for a later run with the same one. */
function sourceFlags({ flags: given }: Call): readonly string[] {
  const names = [...sources.map(({ flag }) => flag), "oem", "convert-netconf", "workspace", "ssh-key-name"];
  return names.flatMap((name) => {
    if (!given.given(name)) return [];
    const isSwitch = flags.find((flag) => flag.name === name)?.kind === "switch";
    return isSwitch ? (given.on(name) ? [`--${name}`] : []) : [`--${name}=${given.text(name) ?? ""}`];
  });
}

/**
 * A line as Go's package log prints it.
 * @param priority of the journal, as sd-daemon(3) writes it; only for a reader that takes it off again
 */
function log(
  { stderr, env, ...call }: Pick<Call, "stderr" | "env"> & Partial<Call>,
  sentence: string,
  priority = "",
): void {
  const at = new Date(env.clock.now()).toISOString();
  const before = call.variables?.["JOURNAL_STREAM"] === undefined ? "" : priority;
  stderr.write(`${before}${at.slice(0, 10).replaceAll("-", "/")} ${at.slice(11, 19)} ${sentence}\n`);
}
