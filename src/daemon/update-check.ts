import { Fault, sentenceOf } from "../lib/fault.ts";
import type { Log } from "../lib/env.ts";
import { productVersion } from "../lib/version.ts";
import type { UpdateConfig } from "../update/config.ts";
import type { Asked, UpdateServer } from "../update/engine.ts";
import { errorCodes } from "../update/error-codes.ts";
import { type CheckResult, checkResult, usualMostFailures } from "../update/offer.ts";
import { type OmahaEvent, osAppId, parseResponse, printRequest } from "../update/omaha.ts";
import { newestIn } from "../update/sums.ts";
import type { UpdateState } from "../update/update-state.ts";
import { compareVersions } from "../update/version-order.ts";
import { type DownloadSettings, fetchSignedList } from "./release-download.ts";

/** What a machine tells of itself. */
export interface MachineIdentity {
  readonly machineId: string;
  readonly bootId: string;
  /** As uname has it, such as `x86_64`. */
  readonly architecture: string;
  readonly oem: string;
  readonly oemVersion: string;
}

const requestLimitMs = 60_000;
const mostAnswerBytes = 1024 * 1024;

/** The server that the settings name, or undefined. */
export function updateServer(
  config: UpdateConfig,
  identity: MachineIdentity,
  downloads: DownloadSettings,
  log: Log,
): UpdateServer | undefined {
  const { server } = config;
  if (server === undefined) return undefined;
  if (server.kind === "omaha") return new OmahaServer(server.url, config, identity, log);
  return new FolderServer(server.url, downloads);
}

/** A server of the Omaha protocol, version 3. */
class OmahaServer implements UpdateServer {
  readonly #url: string;
  readonly #config: UpdateConfig;
  readonly #identity: MachineIdentity;
  readonly #log: Log;

  constructor(url: string, config: UpdateConfig, identity: MachineIdentity, log: Log) {
    this.#url = url;
    this.#config = config;
    this.#identity = identity;
    this.#log = log;
  }

  async check(
    { onDemand, pingOnly, events }: Asked,
    state: UpdateState,
    signal: AbortSignal,
  ): Promise<CheckResult> {
    const source = onDemand ? "ondemandupdate" : "scheduler";
    const answer = await this.#post(source, { ping: true, updateCheck: !pingOnly, events }, state, signal);
    if (typeof answer !== "string") return answer;
    if (answer === "")
      return { kind: "failed", code: errorCodes.emptyAnswer, sentence: `${this.#url} answered nothing` };
    return checkResult(parseResponse(answer), this.#appId);
  }

  async tell(event: OmahaEvent, state: UpdateState, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#post(
      "scheduler",
      { ping: false, updateCheck: false, events: [event] },
      state,
      signal,
    );
    if (typeof answer === "string" || answer.kind !== "failed") return true;
    this.#log.debug(
      `the update server did not hear of event ${event.type}/${event.result}: ${answer.sentence}`,
    );
    return false;
  }

  get #appId(): string {
    return this.#config.appId ?? osAppId;
  }

  async #post(
    source: string,
    said: { readonly ping: boolean; readonly updateCheck: boolean; readonly events: readonly OmahaEvent[] },
    state: UpdateState,
    signal: AbortSignal,
  ): Promise<string | CheckResult> {
    const body = printRequest(this.#request(source, said, state));
    try {
      const response = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "text/xml" },
        body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(requestLimitMs)]),
      });
      const text = await limitedText(response);
      if (response.status === 200) return text;
      const sentence = `${this.#url} answered with HTTP status ${response.status}`;
      return { kind: "failed", code: errorCodes.http + response.status, sentence };
    } catch (error) {
      signal.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const sentence = `cannot ask ${this.#url}: ${sentenceOf(cause)}; see SERVER in /etc/coreos/update.conf`;
      return { kind: "failed", code: errorCodes.http, sentence };
    }
  }

  #request(
    installSource: string,
    said: { readonly ping: boolean; readonly updateCheck: boolean; readonly events: readonly OmahaEvent[] },
    state: UpdateState,
  ): Parameters<typeof printRequest>[0] {
    const { machineId, bootId, architecture, oem, oemVersion } = this.#identity;
    const version = state.slots.running;
    return {
      updater: `update_engine-${productVersion}`,
      installSource,
      os: { version: "Chateau", platform: "CoreOS", sp: `${version}_${architecture}` },
      apps: [
        {
          appId: this.#appId,
          version,
          track: this.#config.group,
          bootId,
          oem,
          oemVersion,
          alephVersion: state.memory.aleph ?? version,
          machineId,
          machineAlias: this.#config.machineAlias,
          board: this.#config.board ?? (architecture === "aarch64" ? "arm64-usr" : "amd64-usr"),
          ...said,
        },
      ],
    };
  }
}

async function limitedText(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > mostAnswerBytes)
      throw new Fault("answer-too-large", `the answer is longer than ${mostAnswerBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** A folder with a signed list and nobody to talk to: the newest version in it is offered to everybody. */
class FolderServer implements UpdateServer {
  readonly #folder: string;
  readonly #downloads: DownloadSettings;

  constructor(folder: string, downloads: DownloadSettings) {
    this.#folder = folder;
    this.#downloads = downloads;
  }

  async check({ pingOnly }: Asked, state: UpdateState, signal: AbortSignal): Promise<CheckResult> {
    if (pingOnly) return { kind: "none" };
    try {
      const { digest, sums } = await fetchSignedList(this.#downloads, this.#folder, undefined, signal);
      const version = newestIn(sums);
      if (version === undefined || compareVersions(version, state.slots.running) === 0)
        return { kind: "none" };
      const offer = {
        version,
        folders: [this.#folder],
        digest,
        size: 0,
        mostFailures: usualMostFailures,
        noBackoff: true,
      };
      return { kind: "offer", offer };
    } catch (error) {
      signal.throwIfAborted();
      return failure(error);
    }
  }

  async tell(): Promise<boolean> {
    return true;
  }
}

function failure(error: unknown): CheckResult {
  const sentence = sentenceOf(error);
  if (!(error instanceof Fault)) return { kind: "failed", code: errorCodes.generic, sentence };
  const { digest } = error as Fault & { readonly digest?: string };
  if (error.code === "update-signature") {
    return {
      kind: "failed",
      code: errorCodes.badSignature,
      sentence,
      ...(digest === undefined ? {} : { badDigest: digest }),
    };
  }
  return {
    kind: "failed",
    code: error.code === "update-transfer" ? errorCodes.transfer : errorCodes.badAnswer,
    sentence,
  };
}
