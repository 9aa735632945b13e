import type { Action, Facts } from "./actions.ts";
import { environmentFile } from "./directives/environment-file.ts";
import { etcd } from "./directives/etcd.ts";
import { etcd2 } from "./directives/etcd2.ts";
import { flannel } from "./directives/flannel.ts";
import { fleet } from "./directives/fleet.ts";
import { hostname } from "./directives/hostname.ts";
import { hosts } from "./directives/hosts.ts";
import { locksmith } from "./directives/locksmith.ts";
import { oem } from "./directives/oem.ts";
import { sshKeys } from "./directives/ssh-keys.ts";
import { updateFile } from "./directives/update.ts";
import { type UnitWish, unitWishes, units, updateWishes } from "./directives/units.ts";
import { users } from "./directives/users.ts";
import { contentProblem, writeFiles } from "./directives/write-files.ts";
import { type Addresses, addressesOf, type Metadata } from "./metadata.ts";
import { readConfig, TypedStruct } from "./read-config.ts";
import { cloudConfigSchema } from "./schema.ts";
import { readYaml } from "./tree.ts";
import { foreignFormat, userDataKind } from "./user-data.ts";
import { emptyVariables, substitute } from "./variables.ts";

/** What is known before anything is planned. */
export interface PlanInput {
  /** Unpacked user-data; empty for none. */
  readonly text: string;
  /** Why the bytes of user-data are no text. */
  readonly textProblem?: string | undefined;
  readonly metadata: Metadata;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly facts: Facts;
  /** Folder of scripts. */
  readonly workspace: string;
  /** Actions that set the network up, and the units it needs, as `convertNetwork` gives them. */
  readonly network?: NetworkPlan | undefined;
}

/** What comes of a network configuration. */
export interface NetworkPlan {
  /** Before any unit is written. */
  readonly actions: readonly Action[];
  readonly wishes: readonly UnitWish[];
}

export interface Plan {
  readonly actions: readonly Action[];
  /** Why user-data could not be used at all, in the original's words; metadata is applied all the same. */
  readonly problem?: string;
  /** The same with what to do about it, for people. */
  readonly hint?: string;
  /** User-data is Ignition's, and so nothing is done at all. */
  readonly ignition?: true;
}

/** Everything that user-data and metadata ask of a machine, in the order of the original. */
export function planUserData(input: PlanInput): Plan {
  const addresses = addressesOf(input.metadata, input.variables);
  const text = substitute(input.text, addresses);
  const kind = userDataKind(text);
  if (kind === "ignition") return { actions: [], ignition: true };
  const empty = readConfig(cloudConfigSchema, undefined);
  if (kind === "empty") return { actions: planConfig(empty, input, addresses) };
  if (kind === "script") {
    const { workspace, textProblem } = input;
    const binary = textProblem === undefined ? {} : ({ binary: true } as const);
    const script: Action = { kind: "script", text, workspace, ...binary };
    return { actions: [...planConfig(empty, input, addresses), script] };
  }
  const read = kind === "unknown" ? unknown(text) : readText(text, input.textProblem);
  if (!(read instanceof TypedStruct)) return { actions: planConfig(empty, input, addresses), ...read };
  const silent = emptyVariables(input.text, addresses).map(
    (name): Action => ({
      kind: "note",
      sentence: `${name} is used, but this machine has no such address: it becomes nothing.`,
    }),
  );
  return { actions: [...silent, ...planConfig(read, input, addresses)] };
}

interface Unusable {
  readonly problem: string;
  readonly hint?: string;
}

function unknown(text: string): Unusable {
  const hint = foreignFormat(text);
  return { problem: "Unrecognized user-data format", ...(hint === undefined ? {} : { hint }) };
}

function readText(text: string, textProblem: string | undefined): TypedStruct | Unusable {
  if (textProblem !== undefined) return { problem: `YAML error: ${textProblem}` };
  const read = readYaml(text);
  if ("problem" in read) {
    const { oldLine, line, column, text: message } = read.problem;
    const where = oldLine === undefined ? "" : `line ${oldLine}: `;
    return {
      problem: `YAML error: ${where}${message}`,
      hint: `look at line ${line}, column ${column}: ${message}`,
    };
  }
  const config = readConfig(cloudConfigSchema, read.root);
  const problem = contentProblem(config);
  return problem === undefined ? config : { problem };
}

function planConfig(config: TypedStruct, input: PlanInput, addresses: Addresses): readonly Action[] {
  const { facts, metadata, network } = input;
  const computed = [...oem(config), ...updateFile(config, facts), ...hosts(config), ...flannel(config)];
  const files = writeFiles(config);
  const { wishes, notes } = unitWishes(config);
  const written = new Set(files.flatMap((action) => (action.kind === "write-file" ? [action.path] : [])));
  return [
    ...names(config, metadata),
    ...users(config, facts),
    ...sshKeys("core", facts.sshKeyName, [
      ...config.texts("ssh_authorized_keys"),
      ...Object.values(metadata.sshKeys ?? {}),
    ]),
    // What cannot be computed ends it before any file is written.
    ...computed.filter(({ kind }) => kind === "fail" || kind === "note"),
    ...files,
    ...computed.filter(({ kind }) => kind !== "fail" && kind !== "note"),
    ...environmentFile(addresses, facts, written),
    ...(network?.actions ?? []),
    ...notes,
    ...units(
      wishes,
      [...etcd(config), ...etcd2(config), ...fleet(config), ...locksmith(config)],
      [...updateWishes(config), ...(network?.wishes ?? [])],
    ),
  ];
}

/** The host name: the user's before that of the surroundings. */
function names(config: TypedStruct, metadata: Metadata): readonly Action[] {
  const own = hostname(config);
  const other = metadata.hostname ?? "";
  if (other === "") return own;
  if (own.length === 0) return [{ kind: "run", program: ["hostnamectl", "set-hostname", other] }];
  const sentence = `Warning: user-data hostname (${config.text("hostname")}) overrides metadata hostname (${other})`;
  return [{ kind: "note", sentence }, ...own];
}
