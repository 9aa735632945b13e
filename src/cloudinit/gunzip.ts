import { gunzipSync } from "node:zlib";
import { sentenceOf } from "../lib/fault.ts";

/** Bytes that compressed user-data or content may become: more is taken for an attack on the machine's memory. */
export const unpackedLimitBytes = 64 * 1024 * 1024;

/**
 * Unpacks gzip. An edge only because Node's zlib is one: the result depends on nothing but the argument.
 * @returns or why not, in the words of Go's package gzip where it has some
 */
export function gunzip(packed: Uint8Array): { readonly bytes: Uint8Array } | { readonly problem: string } {
  if (packed.length === 0) return { problem: "EOF" };
  if (packed.length < 10) return { problem: "unexpected EOF" };
  if (packed[0] !== 0x1f || packed[1] !== 0x8b || packed[2] !== 8) return { problem: "gzip: invalid header" };
  try {
    return { bytes: gunzipSync(packed, { maxOutputLength: unpackedLimitBytes }) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "Z_BUF_ERROR") return { problem: "unexpected EOF" };
    if (code === "ERR_BUFFER_TOO_LARGE")
      return { problem: `it becomes more than ${unpackedLimitBytes} bytes` };
    if (/incorrect (data|length) check/.test(sentenceOf(error))) return { problem: "gzip: invalid checksum" };
    return { problem: sentenceOf(error) };
  }
}
