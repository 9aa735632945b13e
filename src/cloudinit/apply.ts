import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { type Action, type Facts, needsNoNetwork, reached } from "./actions.ts";
import { carryOut, type Journal, type Machine } from "./carry-out.ts";
import type { Datasource } from "./datasources/datasource.ts";
import { addressesOf, type Metadata } from "./metadata.ts";
import { readDebianNetwork, type ReadNetwork } from "./network/debian.ts";
import { networkPlan } from "./network/interfaces.ts";
import { readPacketNetwork } from "./network/packet.ts";
import { readVmwareNetwork } from "./network/vmware.ts";
import { type NetworkPlan, type Plan, planUserData } from "./plan.ts";
import { unpackUserData, userDataText } from "./user-data.ts";
import { type Entry, entryLine, validateUserData } from "./validate.ts";
import { emptyVariables } from "./variables.ts";

/** How long datasources are asked whether they are there: 100 ms between rounds at first, then twice as long each time. */
const firstPauseMs = 100;
const longestPauseMs = 30_000;
const searchLimitMs = 5 * 60_000;

/**
 * The first datasource that is there; undefined when none was within five minutes, or when all of them are asked only
 * once and none was there.
 */
export async function findUserData(
  sources: readonly Datasource[],
  env: Env,
  signal?: AbortSignal,
): Promise<Datasource | undefined> {
  const end = env.clock.monotonic() + searchLimitMs;
  let waiting = sources;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const answers = await Promise.all(waiting.map(async (source) => await isThere(source)));
    const found = waiting.find((_, index) => answers[index] === true);
    if (found !== undefined) return found;
    waiting = waiting.filter(({ askedOnce }) => !askedOnce);
    if (waiting.length === 0 || env.clock.monotonic() + pauseMs > end) return undefined;
    await env.clock.sleep(pauseMs, signal);
  }
}

async function isThere(source: Datasource): Promise<boolean> {
  try {
    return await source.isAvailable();
  } catch (error) {
    // A file that is there and cannot be read will not become another; why is told when it is used. What cannot be asked
    // now may be later; the search has a limit.
    return error instanceof Fault && error.code === "file-unreadable";
  }
}

/** Formats of network configurations that are converted to systemd-networkd's. */
export const networkFormats = ["debian", "packet", "vmware"] as const;
export type NetworkFormat = (typeof networkFormats)[number];

export interface ApplyOptions {
  readonly ignoreFailure: boolean;
  readonly convertNetwork: NetworkFormat | undefined;
  readonly workspace: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Plan only: called with the actions in place of carrying them out. */
  readonly show?: (actions: readonly Action[]) => void;
  /** Given by the units of a boot: what fails keeps nothing else from being done. */
  readonly boot?: BootStage;
}

/** What the units of a boot add: the original's own commands know addresses only from metadata and the environment. */
export interface BootStage {
  /** Looks for this machine's own addresses, as variables `COREOS_PRIVATE_IPV4` and its like; those that are not there are left out. */
  readonly addresses: () => Promise<Readonly<Record<string, string>>>;
  /** Has everything done once the network is up. Undefined in the stage that runs by then. */
  readonly later?: () => Promise<void>;
}

export interface ApplyParts {
  readonly machine: Machine;
  readonly facts: Facts;
  readonly journal: Journal;
  /** Writes to standard output, without a line end of its own. */
  readonly print: (text: string) => void;
}

/** Fetches, plans and carries out what a datasource asks of this machine. Returns the exit code of coreos-cloudinit. */
export async function applyUserData(
  source: Datasource,
  options: ApplyOptions,
  { machine, facts, journal, print }: ApplyParts,
): Promise<number> {
  const fetched = await fetchUserData(source, journal);
  const { text, problem: textProblem } = userDataText(fetched.bytes);
  for (const entry of validateUserData(fetched.bytes)) {
    // At boot nobody has to hear that etcd and fleet are gone, where they have just come.
    if (options.boot === undefined || !isAboutOwnService(entry)) journal.note(entryLine(entry));
  }
  const read = await fetchMetadata(source, journal);
  // A machine that boots is made reachable with what is there.
  if (read === undefined && options.boot === undefined) return 1;
  const metadata = read ?? {};
  const { variables, isUnknown } = await knownAddresses(text, metadata, options);
  const network = networkOf(options, metadata);
  if (network !== undefined && "problem" in network) {
    journal.error(`Failed to generate interfaces: ${network.problem}`);
    if (options.boot === undefined) return 1;
  }
  const usable = network === undefined || "problem" in network ? undefined : network;
  const { workspace } = options;
  const plan = planUserData({ text, textProblem, metadata, variables, facts, workspace, network: usable });
  if (plan.ignition) {
    print("Detected an Ignition config. Exiting...");
    return 0;
  }
  tell(plan, journal, print);
  const isBad = plan.problem !== undefined || fetched.failed;
  const isIncomplete = read === undefined || network !== usable;
  const code = isIncomplete || (isBad && !options.ignoreFailure) ? 1 : 0;
  // Keys that have to be fetched need the network as well, and waiting for it here would keep it from coming.
  const fetches = plan.actions.some(({ kind }) => kind === "fetch-keys");
  const isPartly = options.boot?.later !== undefined && (isUnknown || fetches);
  const actions = isPartly ? plan.actions.filter(needsNoNetwork) : plan.actions;
  if (options.show !== undefined) {
    options.show(options.boot === undefined ? reached(actions) : actions);
    return code;
  }
  const failure = await carryOut(actions, machine, journal, options.boot !== undefined);
  if (isPartly) {
    journal.note(
      "user-data needs the network: what does not is done now, and all of it once the network is up",
    );
    await options.boot?.later?.();
  }
  return failure === undefined ? code : 1;
}

/** The variables with this machine's own addresses, where user-data uses such that nobody has told. */
async function knownAddresses(
  text: string,
  metadata: Metadata,
  { boot, variables: told }: ApplyOptions,
): Promise<{ readonly variables: ApplyOptions["variables"]; readonly isUnknown: boolean }> {
  const isUnknown = (variables: ApplyOptions["variables"]): boolean =>
    emptyVariables(text, addressesOf(metadata, variables)).length > 0;
  if (boot === undefined || !isUnknown(told)) return { variables: told, isUnknown: false };
  const given = Object.entries(told).filter(([, value]) => value !== "");
  const variables = { ...(await boot.addresses()), ...Object.fromEntries(given) };
  return { variables, isUnknown: isUnknown(variables) };
}

function isAboutOwnService({ message }: Entry): boolean {
  return /^deprecated key "(etcd2?|fleet)" /.test(message);
}

function tell({ problem, hint }: Plan, journal: Journal, print: (text: string) => void): void {
  if (problem === undefined) return;
  print(`Failed to parse user-data: ${problem}\nContinuing...\n`);
  if (hint !== undefined) journal.note(`User-data is not used: ${hint}`);
}

async function fetchUserData(
  source: Datasource,
  journal: Journal,
): Promise<{ readonly bytes: Uint8Array; readonly failed: boolean }> {
  const nothing = { bytes: new Uint8Array(), failed: true };
  let packed: Uint8Array;
  try {
    packed = await source.userData();
  } catch (error) {
    journal.error(`Failed fetching user-data from datasource: ${sentenceOf(error)}. Continuing...`);
    return nothing;
  }
  const { bytes, problem } = unpackUserData(packed);
  if (problem === undefined) return { bytes, failed: false };
  journal.error(`Failed decompressing user-data from datasource: ${problem}. Continuing...`);
  return nothing;
}

async function fetchMetadata(source: Datasource, journal: Journal): Promise<Metadata | undefined> {
  try {
    return await source.metadata();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    journal.error(`Failed fetching meta-data from datasource: ${error.message}`);
    return undefined;
  }
}

function networkOf({ convertNetwork: format }: ApplyOptions, metadata: Metadata) {
  return format === undefined ? undefined : convertNetwork(format, metadata);
}

function convertNetwork(
  format: NetworkFormat,
  { network }: Metadata,
): NetworkPlan | { readonly problem: string } {
  if (network === undefined || network === "") return { actions: [], wishes: [] };
  const read = readNetwork(format, network);
  return "problem" in read ? read : networkPlan(read.interfaces);
}

function readNetwork(format: NetworkFormat, network: unknown): ReadNetwork {
  if (format === "packet") return readPacketNetwork(network);
  if (format === "vmware") return readVmwareNetwork(network);
  if (format === "debian" && typeof network === "string") return readDebianNetwork(network);
  return { problem: `the datasource gives no network configuration in the format ${format}` };
}
