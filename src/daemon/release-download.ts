import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { parseSums, signatureName, type Sum, sumsName } from "../update/sums.ts";

/** A list of files and its signature are small. */
const mostListBytes = 1024 * 1024;
const mostSignatureBytes = 64 * 1024;
/** No file of a release is larger. */
const mostFileBytes = 16 * 1024 * 1024 * 1024;
const listLimitMs = 60_000;
/** How long a whole file may take. */
const fileLimitMs = 6 * 3_600_000;
const verifyLimitMs = 30_000;

/** Where systemd-sysupdate looks for the keys that releases are signed with; the first that is there counts. */
export const keyrings: readonly string[] = [
  "/etc/systemd/import-pubring.gpg",
  "/usr/lib/systemd/import-pubring.gpg",
];

/** How releases are fetched and believed. */
export interface DownloadSettings {
  readonly keyrings: readonly string[];
  /** `user:password`, or empty. */
  readonly credentials: string;
}

/** A list whose signature is good. */
export interface SignedList {
  /** Hexadecimal SHA-256 of its text. */
  readonly digest: string;
  readonly sums: readonly Sum[];
}

/**
 * Fetches the list of a release's files and checks its signature.
 * @param promised the digest that the list has to have; undefined: any
 * Throws Fault `update-transfer`, `update-signature` or `update-list`.
 */
export async function fetchSignedList(
  settings: DownloadSettings,
  folder: string,
  promised: string | undefined,
  signal: AbortSignal,
): Promise<SignedList> {
  const list = await fetchSmall(settings, `${folder}${sumsName}`, mostListBytes, signal);
  const digest = createHash("sha256").update(list).digest("hex");
  if (promised !== undefined && digest !== promised) {
    throw new Fault(
      "update-list",
      `${folder}${sumsName} is not the list that the server promised; publish the release again, or look for who changed it`,
    );
  }
  const signature = await fetchSmall(settings, `${folder}${signatureName}`, mostSignatureBytes, signal).catch(
    (error: unknown) => {
      if (!(error instanceof Fault) || !error.message.endsWith("HTTP status 404")) throw error;
      throw new Fault(
        "update-signature",
        `${folder}${signatureName} is missing; publish the release with its signature`,
      );
    },
  );
  try {
    await verify(settings.keyrings, list, signature, `${folder}${sumsName}`);
  } catch (error) {
    if (error instanceof Fault) throw Object.assign(error, { digest });
    throw error;
  }
  const sums = parseSums(list.toString("utf8"));
  if (sums === undefined)
    throw new Fault("update-list", `${folder}${sumsName} is no list as sha256sum writes it`);
  return { digest, sums };
}

async function fetchSmall(
  settings: DownloadSettings,
  url: string,
  mostBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(listLimitMs)]);
  const response = await request(settings, url, limit);
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of response.body ?? []) {
      length += piece.length;
      if (length > mostBytes) throw new Fault("update-list", `${url} is longer than ${mostBytes} bytes`);
      pieces.push(piece);
    }
  } catch (error) {
    throw transferFault(url, error);
  }
  return Buffer.concat(pieces);
}

/**
 * Fetches one file of a release into a path, and checks what it is.
 * @param received told after each piece how many bytes came
 * Throws Fault `update-transfer` or `update-file`.
 */
export async function fetchFile(
  settings: DownloadSettings,
  folder: string,
  { name, sha256 }: Sum,
  path: string,
  received: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = `${folder}${encodeURIComponent(name)}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(fileLimitMs)]);
  const response = await request(settings, url, limit);
  const hash = createHash("sha256");
  await using file = await open(path, "w");
  let length = 0;
  try {
    for await (const piece of response.body ?? []) {
      length += piece.length;
      if (length > mostFileBytes)
        throw new Fault("update-file", `${url} is longer than ${mostFileBytes} bytes`);
      hash.update(piece);
      await file.write(piece);
      received(piece.length);
    }
  } catch (error) {
    throw transferFault(url, error);
  }
  if (hash.digest("hex") !== sha256) {
    throw new Fault(
      "update-file",
      `${url} is not the file that the signed list names: it was cut short or swapped`,
    );
  }
  await file.sync();
}

async function request(settings: DownloadSettings, url: string, signal: AbortSignal): Promise<Response> {
  const { credentials } = settings;
  const headers: Record<string, string> =
    credentials === "" ? {} : { Authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
  try {
    const response = await fetch(url, { headers, signal });
    if (response.ok) return response;
    await response.body?.cancel();
    throw new Fault("update-transfer", `cannot fetch ${url}: HTTP status ${response.status}`);
  } catch (error) {
    throw transferFault(url, error);
  }
}

function transferFault(url: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new Fault("update-transfer", `cannot fetch ${url}: ${sentenceOf(cause)}; it is tried again`, {
    cause: error,
  });
}

/** How each program that checks signatures is asked. */
function wordsFor(
  program: string,
  home: string,
  keyring: string,
  files: readonly string[],
): readonly string[] {
  if (program.endsWith("gpgv")) return ["--homedir", home, "--keyring", keyring, ...files];
  if (program.endsWith("sqv")) return ["--keyring", keyring, ...files];
  const own = ["--batch", "--no-options", "--homedir", home, "--no-default-keyring", "--keyring", keyring];
  const trust = ["--no-auto-key-locate", "--no-auto-check-trustdb", "--trust-model", "always"];
  return [...own, ...trust, "--verify", ...files];
}

/** Checks a detached OpenPGP signature with whichever program is there: Debian's apt brings gpgv or sqv along. */
async function verify(
  rings: readonly string[],
  list: Buffer,
  signature: Buffer,
  what: string,
): Promise<void> {
  const keyring = await firstThere(rings);
  if (keyring === undefined) {
    throw new Fault(
      "update-signature",
      `cannot check the signature of ${what}: there is no keyring ${rings.join(" or ")}`,
    );
  }
  const program = await firstThere(["/usr/bin/gpgv", "/usr/bin/gpg", "/usr/bin/sqv"]);
  if (program === undefined) {
    throw new Fault(
      "update-slots",
      `cannot check the signature of ${what}: none of gpgv, gpg and sqv is installed`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), "argosy-update-"));
  try {
    const files = [join(folder, signatureName), join(folder, sumsName)];
    await writeFile(join(folder, sumsName), list);
    await writeFile(join(folder, signatureName), signature);
    const words = wordsFor(program, folder, keyring, files);
    await promisify(execFile)(program, words, { timeout: verifyLimitMs });
  } catch (error) {
    throw signatureFault(error, what, keyring);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * What a check of a signature came to that did not succeed. Only a program that ended by itself has judged: a full disk, or a
 * computer too slow to check in time, is no wrong signature, which would be remembered.
 */
export function signatureFault(error: unknown, what: string, keyring: string): Fault {
  if (error instanceof Error && "code" in error && typeof error.code === "number" && "stderr" in error)
    return new Fault(
      "update-signature",
      `the signature of ${what} is wrong, or by a key that is not in ${keyring}: ${lastLine(String(error.stderr))}`,
    );
  const reason =
    error instanceof Error && "killed" in error && error.killed === true
      ? `that took longer than ${verifyLimitMs / 1000} s`
      : sentenceOf(error);
  return new Fault("update-slots", `cannot check the signature of ${what}: ${reason}; it is tried again`, {
    cause: error,
  });
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^gpgv?: /, "") ?? ""
  );
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      await access(path);
      return path;
    } catch {
      // The next one may be there.
    }
  }
  return undefined;
}
