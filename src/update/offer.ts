import { errorCodes } from "./error-codes.ts";
import type { OmahaAnswer, OmahaResponse } from "./omaha.ts";
import { isVersion } from "./version-order.ts";

/** A release that a server offers to this machine. */
export interface Offer {
  readonly version: string;
  /** Folders with the release's files, each with its final slash, in the order in which to try them. */
  readonly folders: readonly string[];
  /** Hexadecimal SHA-256 of the release's SHA256SUMS as the server promised it: another list under that name is refused. */
  readonly digest: string;
  /** Bytes of all files together, as far as the server told. */
  readonly size: number;
  /** Failed downloads from one folder before the next one is tried. */
  readonly mostFailures: number;
  /** True: no days of waiting after all folders failed. */
  readonly noBackoff: boolean;
}

/** What came of asking a server. */
export type CheckResult =
  | { readonly kind: "none"; readonly pollSeconds?: number }
  | { readonly kind: "offer"; readonly offer: Offer; readonly pollSeconds?: number }
  | {
      readonly kind: "failed";
      /** Of update_engine. */
      readonly code: number;
      readonly sentence: string;
      /** The signature or the digest of this list was wrong; undefined when that was not the trouble. */
      readonly badDigest?: string;
    };

/** Failures per folder when the server says nothing (MaxFailureCountPerUrl of update_engine). */
export const usualMostFailures = 10;

/** What update_engine's rules make of an answer to an update check: what has to be there, and what is passed over. */
export function checkResult(response: OmahaResponse | undefined, appId: string): CheckResult {
  if (response === undefined) return failed(errorCodes.notXml, "the server's answer is no Omaha response");
  const answer = response.apps.find((app) => app.appId === appId) ?? response.apps[0];
  const check = answer?.updateCheck;
  if (answer === undefined || check === undefined)
    return failed(errorCodes.badAnswer, "the server's answer says nothing about updates");
  const poll = check.pollSeconds === undefined ? {} : { pollSeconds: check.pollSeconds };
  if (check.status === "noupdate") return { kind: "none", ...poll };
  if (check.status !== "ok") return failed(errorCodes.badAnswer, refusalWords(answer, check.status));
  const offer = offerOf(answer);
  if (typeof offer === "string") return failed(errorCodes.badAnswer, offer);
  return { kind: "offer", offer, ...poll };
}

/** The offer, or what it lacks. */
function offerOf({ updateCheck }: OmahaAnswer): Offer | string {
  const manifest = updateCheck?.manifest;
  if (manifest === undefined) return "the server's offer has no manifest";
  if (!isVersion(manifest.version)) return "the server's offer does not say which version it is";
  const [first] = manifest.packages;
  const folders = updateCheck?.codebases ?? [];
  if (folders.length === 0) return "the server's offer names no place to download from";
  if (first === undefined || first.name === "") return "the server's offer names no package";
  if (first.size <= 0) return "the server's offer does not tell the size of its package";
  const sha256 = manifest.postinstall?.sha256 ?? "";
  if (sha256 === "") return "the server's offer has no hash for its package";
  const digest = hexOfBase64(sha256);
  if (digest?.length !== 64) return "the hash in the server's offer is no SHA-256";
  return {
    version: manifest.version,
    folders,
    digest,
    size: manifest.packages.reduce((sum, { size }) => sum + size, 0),
    mostFailures: manifest.postinstall?.mostFailuresPerUrl ?? usualMostFailures,
    noBackoff: manifest.postinstall?.disablePayloadBackoff ?? false,
  };
}

/** Characters of a server's own word that are shown. */
const mostStatus = 64;

/** What the words of servers mean for whoever reads them on a machine (Nebraska's, and Omaha's own). */
const statusWords: Readonly<Record<string, string>> = {
  "error-unknownApplication": "it does not know this product; see COREOS_RELEASE_APPID",
  "error-failedToRetrieveUpdatePackageInfo":
    "it does not know this machine's group; see GROUP in /etc/coreos/update.conf",
  "error-instanceRegistrationFailed":
    "it cannot take this machine's id or version, or its list of machines is full",
  "error-updateInProgressOnInstance": "it believes that this machine is updating already",
  "error-noPackageFound": "the group's channel has no release",
  "error-updatesDisabled": "updates of the group are paused, halted, or outside of their hours",
  "error-maxUpdatesPerPeriodLimitReached":
    "enough other machines were given one; this one waits for its turn",
  "error-maxConcurrentUpdatesLimitReached": "enough other machines are updating; this one waits for its turn",
  "error-maxTimedOutUpdatesLimitReached": "a machine that went first was not heard of again",
};

function refusalWords({ status }: OmahaAnswer, check: string): string {
  const reason = status === "ok" || status === "" ? check : status;
  if (reason === "") return "the server's answer does not say whether there is an update";
  const words = Object.hasOwn(statusWords, reason) ? statusWords[reason] : undefined;
  if (words !== undefined) return `the server gives no update now: ${words} (${reason})`;
  const shown = reason.length > mostStatus ? `${reason.slice(0, mostStatus)}…` : reason;
  return `the server gives no update now: ${shown}`;
}

function failed(code: number, sentence: string): CheckResult {
  return { kind: "failed", code, sentence };
}

/** Base64 as hexadecimal digits; undefined when it is none. */
export function hexOfBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  return Array.from(atob(text), (character) => character.charCodeAt(0).toString(16).padStart(2, "0")).join(
    "",
  );
}

/** Hexadecimal digits as base64. */
export function base64OfHex(hex: string): string {
  const bytes = Array.from(hex.matchAll(/../g), ([pair]) => String.fromCharCode(Number.parseInt(pair, 16)));
  return btoa(bytes.join(""));
}
