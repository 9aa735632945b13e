import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { type Action, type Facts, reached } from "./actions.ts";
import { carryOut, type Journal, type Machine } from "./carry-out.ts";
import type { Datasource } from "./datasources/datasource.ts";
import type { Metadata } from "./metadata.ts";
import { readDebianNetwork, type ReadNetwork } from "./network/debian.ts";
import { networkPlan } from "./network/interfaces.ts";
import { readPacketNetwork } from "./network/packet.ts";
import { type NetworkPlan, type Plan, planUserData } from "./plan.ts";
import { unpackUserData, userDataText } from "./user-data.ts";
import { entryLine, validateUserData } from "./validate.ts";

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
  } catch {
    // A source that cannot be asked now may be later; the search has a limit.
    return false;
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
  for (const entry of validateUserData(fetched.bytes)) journal.note(entryLine(entry));
  const metadata = await fetchMetadata(source, journal);
  if (metadata === undefined) return 1;
  const network =
    options.convertNetwork === undefined ? undefined : convertNetwork(options.convertNetwork, metadata);
  if (network !== undefined && "problem" in network) {
    journal.error(`Failed to generate interfaces: ${network.problem}`);
    return 1;
  }
  const { variables, workspace } = options;
  const plan = planUserData({ text, textProblem, metadata, variables, facts, workspace, network });
  if (plan.ignition) {
    print("Detected an Ignition config. Exiting...");
    return 0;
  }
  tell(plan, journal, print);
  const bad = plan.problem !== undefined || fetched.failed;
  if (options.show !== undefined) {
    options.show(reached(plan.actions));
    return bad && !options.ignoreFailure ? 1 : 0;
  }
  const failure = await carryOut(plan.actions, machine, journal);
  return failure !== undefined || (bad && !options.ignoreFailure) ? 1 : 0;
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
  if (format === "debian" && typeof network === "string") return readDebianNetwork(network);
  return { problem: `the datasource gives no network configuration in the format ${format}` };
}
