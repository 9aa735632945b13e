import { type Call, type Command, type CommandGroup, exitCodes } from "../cli/command.ts";
import { actionLine, actionValue, reached } from "../cloudinit/actions.ts";
import { checkUserData, findingLine } from "../cloudinit/check.ts";
import { cloudConfigJsonSchema, referencePage } from "../cloudinit/json-schema.ts";
import { planUserData } from "../cloudinit/plan.ts";
import { realAccess } from "../cloudinit/real-access.ts";
import { unpackUserData, userDataText } from "../cloudinit/user-data.ts";
import { Fault } from "../lib/fault.ts";
import { statusCommand } from "./cloud-config-status.ts";

const checkCommand: Command = {
  name: "check",
  summary: "Say what is wrong with a cloud-config, and what it would do",
  usage: "FILE",
  description:
    "Reads the file as a machine would, names every mistake with its line and column, and lists what would be done on a " +
    "machine. Nothing is done. Exits with 1 when there is a mistake.",
  flags: [{ name: "json", kind: "switch", summary: "print findings and actions as JSON" }],
  arity: { least: 1, most: 1 },
  choices: { files: true },
  examples: [
    { line: "argosy cloud-config check cloud-config.yml", meaning: "before a machine boots with it" },
  ],
  run: async (call) => await check(call, call.arguments[0] ?? ""),
};

const schemaCommand: Command = {
  name: "schema",
  summary: "Print the JSON Schema of cloud-configs, for editors",
  usage: "",
  description:
    "Prints the schema that the validator and the applier work with, as JSON Schema or as a page for people.",
  flags: [
    { name: "markdown", kind: "switch", summary: "print the reference page" },
    { name: "json", kind: "switch", summary: "print JSON Schema, which it does without this flag too" },
  ],
  arity: { least: 0, most: 0 },
  examples: [
    {
      line: "argosy cloud-config schema >cloud-config.schema.json",
      meaning: "for an editor's YAML settings",
    },
  ],
  run: async ({ flags, stdout }) => {
    stdout.write(
      flags.on("markdown") ? referencePage() : `${JSON.stringify(cloudConfigJsonSchema(), null, 2)}\n`,
    );
    return exitCodes.done;
  },
};

/** `argosy cloud-config`: everything about cloud-configs that needs no machine. */
export const cloudConfigCommand: CommandGroup = {
  name: "cloud-config",
  summary: "Check cloud-configs before a machine boots with them, and see how they went",
  description:
    "Checks cloud-configs, prints their schema, and says how those of this machine went. coreos-cloudinit carries them out.",
  commands: [checkCommand, schemaCommand, statusCommand],
};

async function check({ flags, stdout, env, signal }: Call, path: string): Promise<number> {
  const packed = await realAccess(env, signal).readFile(path);
  if (packed === undefined) throw new Fault("file-unreadable", `Cannot read ${path}: there is no such file.`);
  const findings = checkUserData(packed);
  const { actions, problem } = planUserData({
    text: userDataText(unpackUserData(packed).bytes).text,
    metadata: {},
    // What the addresses are is known on the machine; their names stand for them here.
    variables: Object.fromEntries(
      ["public_ipv4", "private_ipv4", "public_ipv6", "private_ipv6"].map((name) => [
        `COREOS_${name.toUpperCase()}`,
        `$${name}`,
      ]),
    ),
    facts: {
      users: new Set(["root", "core"]),
      files: { "/etc/coreos/update.conf": "" },
      sshKeyName: "coreos-cloudinit",
    },
    workspace: "/var/lib/coreos-cloudinit",
  });
  const done = problem === undefined ? reached(actions) : [];
  if (flags.on("json")) {
    stdout.write(`${JSON.stringify({ findings, actions: done.map(actionValue) }, null, 2)}\n`);
  } else {
    for (const finding of findings) stdout.write(`${findingLine(path, finding)}\n`);
    if (findings.length === 0) stdout.write(`${path}: nothing is wrong\n`);
    if (done.length > 0) stdout.write("A machine would:\n");
    for (const action of done) stdout.write(`  ${actionLine(action)}\n`);
  }
  return findings.length === 0 ? exitCodes.done : exitCodes.failed;
}
