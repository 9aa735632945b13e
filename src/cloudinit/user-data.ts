import { gunzip, unpackedLimitBytes } from "./gunzip.ts";

/** What user-data is, told by its first line. */
export type UserDataKind = "empty" | "script" | "ignition" | "cloud-config" | "unknown";

/** Bytes of user-data that are read at most, packed or not. */
export const userDataLimitBytes = unpackedLimitBytes;

export interface UnpackedUserData {
  readonly bytes: Uint8Array;
  /** Why compressed user-data could not be unpacked; `bytes` is empty then. */
  readonly problem?: string;
}

/** Undoes gzip where the bytes begin like it. */
export function unpackUserData(bytes: Uint8Array): UnpackedUserData {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { bytes };
  const read = gunzip(bytes);
  return "bytes" in read ? read : { bytes: new Uint8Array(), problem: read.problem };
}

/** Tells what a text is. The order of the tests is the original's. */
export function userDataKind(text: string): UserDataKind {
  if (text === "") return "empty";
  const firstLine = text.split("\n", 1)[0] ?? "";
  if (firstLine.startsWith("#!")) return "script";
  if (firstLine.trimEnd() === "#cloud-config") return "cloud-config";
  return isIgnition(text) ? "ignition" : "unknown";
}

/** Ignition's configurations are JSON with a version, which is a number in its first format and a text in later ones. */
function isIgnition(text: string): boolean {
  if (!text.trimStart().startsWith("{")) return false;
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return false;
  }
  const oldVersion = member(read, "ignitionVersion");
  const section = member(read, "ignition");
  const version = member(section, "version");
  if (oldVersion !== undefined && oldVersion !== null && !Number.isInteger(oldVersion)) return false;
  if (section !== undefined && section !== null && (typeof section !== "object" || Array.isArray(section)))
    return false;
  if (version !== undefined && version !== null && typeof version !== "string") return false;
  return typeof oldVersion === "number" || typeof version === "string";
}

/** A member of a JSON object, in any case of letters, as Go finds it. */
function member(of: unknown, name: string): unknown {
  if (typeof of !== "object" || of === null || Array.isArray(of)) return undefined;
  const found = Object.entries(of).findLast(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1];
}

/** The text of user-data; with what libyaml says about bytes that are no UTF-8, which become one letter each. */
export function userDataText(bytes: Uint8Array): { readonly text: string; readonly problem?: string } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    const pieces: string[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes)
      pieces.push(String.fromCharCode(...bytes.subarray(at, at + pieceBytes)));
    return { text: pieces.join(""), problem: utf8Problem(bytes) };
  }
}

/** Bytes that become letters at once: each is an argument, and of these there cannot be any number. */
const pieceBytes = 8_192;

function utf8Problem(bytes: Uint8Array): string {
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const width = lead < 0x80 ? 1 : lead >> 5 === 6 ? 2 : lead >> 4 === 14 ? 3 : lead >> 3 === 30 ? 4 : 0;
    if (width === 0) return "invalid leading UTF-8 octet";
    if (at + width > bytes.length) return "incomplete UTF-8 octet sequence";
    let code = width === 1 ? lead : lead & (0xff >> (width + 1));
    for (let next = at + 1; next < at + width; next++) {
      const octet = bytes[next] ?? 0;
      if ((octet & 0xc0) !== 0x80) return "invalid trailing UTF-8 octet";
      code = code * 64 + (octet & 0x3f);
    }
    if (code < ([0, 0, 0x80, 0x800, 0x10000][width] ?? 0)) return "invalid length of a UTF-8 sequence";
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "invalid Unicode character";
    at += width;
  }
  return "invalid leading UTF-8 octet";
}

/** What to say, besides the original's words, about formats of cloud-init that neither understands. */
export function foreignFormat(text: string): string | undefined {
  const firstLine = text.split("\n", 1)[0] ?? "";
  if (/^(content-type: *multipart|mime-version:)/im.test(text.slice(0, 400))) {
    return "MIME multipart user-data is not supported: give one cloud-config or one script";
  }
  const known: readonly (readonly [RegExp, string])[] = [
    [
      /^#include/,
      "#include is not supported: give the cloud-config itself, or its URL on the kernel command line",
    ],
    [/^#part-handler/, "#part-handler is not supported: give one cloud-config or one script"],
    [/^#cloud-boothook/, "#cloud-boothook is not supported: begin a script with #!"],
    [/^#upstart-job/, "#upstart-job is not supported: write a unit of systemd under coreos.units"],
    [/^## *template:/, "templates are not supported: only $public_ipv4 and its like are replaced"],
    [/^\ufeff/, "a byte-order mark stands before the header: save the file as UTF-8 without one"],
    [
      /^\s*# *cloud-config/i,
      "the first line has to be #cloud-config and nothing else, without blanks before it",
    ],
  ];
  return known.find(([pattern]) => pattern.test(firstLine))?.[1];
}
