import { type Call, type Command, type CommandGroup, exitCodes, type Flag } from "../cli/command.ts";
import { type Action, actionLine, actionValue } from "../cloudinit/actions.ts";
import { applyUserData, findUserData, type NetworkFormat, networkFormats } from "../cloudinit/apply.ts";
import { configDriveSource } from "../cloudinit/datasources/config-drive.ts";
import { credentialSource } from "../cloudinit/datasources/credential.ts";
import type { Datasource, SourceAccess } from "../cloudinit/datasources/datasource.ts";
import { digitalOceanSource, digitalOceanUrl } from "../cloudinit/datasources/digitalocean.ts";
import { ec2Source, ec2Url } from "../cloudinit/datasources/ec2.ts";
import { fileSource } from "../cloudinit/datasources/file.ts";
import { gceSource, gceUrl } from "../cloudinit/datasources/gce.ts";
import { kernelCommandLineSource } from "../cloudinit/datasources/kernel-command-line.ts";
import { packetSource, packetUrl } from "../cloudinit/datasources/packet.ts";
import { urlSource } from "../cloudinit/datasources/url.ts";
import { guestInfoSource, ovfEnvironmentSource } from "../cloudinit/datasources/vmware.ts";
import { waagentSource } from "../cloudinit/datasources/waagent.ts";
import { realAccess } from "../cloudinit/real-access.ts";
import { realFacts, realMachine } from "../cloudinit/real-machine.ts";
import { entryLine, validateUserData } from "../cloudinit/validate.ts";
import { productVersion } from "../lib/version.ts";

/** Each source that a flag names; a source without a value is a switch. */
const sources: readonly {
  readonly flag: string;
  readonly value?: string;
  readonly summary: string;
  readonly open: (value: string, access: SourceAccess, call: Call) => Datasource;
}[] = [
  { flag: "from-file", value: "PATH", summary: "read user-data from a file", open: fileSource },
  { flag: "from-url", value: "URL", summary: "fetch user-data from a URL", open: urlSource },
  {
    flag: "from-configdrive",
    value: "DIR",
    summary: "read data from a mounted config-drive",
    open: configDriveSource,
  },
  {
    flag: "from-ec2-metadata",
    value: "URL",
    summary: "fetch data from EC2's metadata service",
    open: ec2Source,
  },
  {
    flag: "from-gce-metadata",
    value: "URL",
    summary: "fetch data from GCE's metadata service",
    open: gceSource,
  },
  {
    flag: "from-digitalocean-metadata",
    value: "URL",
    summary: "fetch data from DigitalOcean's metadata service",
    open: digitalOceanSource,
  },
  {
    flag: "from-packet-metadata",
    value: "URL",
    summary: "fetch data from Packet's metadata service",
    open: packetSource,
  },
  {
    flag: "from-waagent",
    value: "DIR",
    summary: "read data from the folder of Azure's agent",
    open: waagentSource,
  },
  {
    flag: "from-vmware-ovf-env",
    value: "FILE",
    summary: "read data from a file of the OVF environment",
    open: ovfEnvironmentSource,
  },
  {
    flag: "from-metadata-service",
    summary: "the same as --from-ec2-metadata at EC2's address",
    open: (_, access) => ec2Source(ec2Url, access),
  },
  {
    flag: "from-proc-cmdline",
    summary: "fetch user-data from the cloud-config-url= on the kernel's command line",
    open: (_, access) => kernelCommandLineSource(access),
  },
  {
    flag: "from-vmware-guestinfo",
    summary: "ask VMware's hypervisor for data",
    open: (_, access) => guestInfoSource(access),
  },
  {
    flag: "from-credentials",
    summary: "read user-data from the credential cloud-config or user-data of systemd",
    open: (_, access, { variables }) => credentialSource(variables["CREDENTIALS_DIRECTORY"], access),
  },
];

/** What `--oem` stands for. */
const presets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  azure: { "from-waagent": "/var/lib/waagent" },
  digitalocean: { "from-digitalocean-metadata": digitalOceanUrl },
  "ec2-compat": { "from-ec2-metadata": ec2Url, "from-configdrive": "/media/configdrive" },
  gce: { "from-gce-metadata": gceUrl },
  packet: { "from-packet-metadata": packetUrl },
  "rackspace-onmetal": { "from-configdrive": "/media/configdrive", "convert-netconf": "debian" },
  vmware: { "from-vmware-guestinfo": "true", "convert-netconf": "vmware" },
};

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
    summary: `the sources of a provider: ${Object.keys(presets).join(", ")}`,
    choices: { words: Object.keys(presets) },
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
    summary: "do not wait for the jobs of units, as the boot units want it",
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
    const { flags: given, stdout, stderr, env, signal } = call;
    if (given.on("version")) {
      stdout.write(`coreos-cloudinit ${productVersion}\n`);
      return exitCodes.done;
    }
    const refuse = (sentence: string): number => {
      stderr.write(`${sentence}\n`);
      return exitCodes.usage;
    };
    const oem = given.text("oem");
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
  const entries = validateUserData(await source.userData());
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
  const { flags: given, stdout, variables } = call;
  const show = (actions: readonly Action[]): void => {
    stdout.write(
      given.on("json")
        ? `${JSON.stringify(actions.map(actionValue), null, 2)}\n`
        : actions.map((action) => `${actionLine(action)}\n`).join(""),
    );
  };
  return await applyUserData(
    source,
    {
      ignoreFailure: given.on("ignore-failure"),
      convertNetwork,
      workspace: given.text("workspace") ?? "",
      variables,
      ...(given.on("dry-run") ? { show } : {}),
    },
    {
      machine: realMachine(access, !given.on("no-block")),
      facts: await realFacts(given.text("ssh-key-name") ?? ""),
      journal: { note: (sentence) => log(call, sentence), error: (sentence) => log(call, sentence) },
      print: (text) => stdout.write(text),
    },
  );
}

/** A line as Go's package log prints it. */
function log({ stderr, env }: Pick<Call, "stderr" | "env">, sentence: string): void {
  const at = new Date(env.clock.now()).toISOString();
  stderr.write(`${at.slice(0, 10).replaceAll("-", "/")} ${at.slice(11, 19)} ${sentence}\n`);
}
