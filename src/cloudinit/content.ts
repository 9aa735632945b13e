import { goQuoted } from "../lib/go-quote.ts";
import { fromBase64 } from "./go-text.ts";
import { gunzip } from "./gunzip.ts";

/** The bytes of a file's content, or why it cannot be decoded, in the original's words. */
export type Decoded = { readonly bytes: Uint8Array } | { readonly problem: string };

/** Decodes what `write_files` gives as content. An empty encoding means the bytes as they are. */
export function decodeContent(content: Uint8Array, encoding: string): Decoded {
  switch (encoding) {
    case "":
      return { bytes: content };
    case "gz":
    case "gzip":
      return unpacked(content);
    case "b64":
    case "base64":
      return plain(content);
    case "gz+base64":
    case "gzip+base64":
    case "gz+b64":
    case "gzip+b64": {
      const packed = plain(content);
      return "problem" in packed ? packed : unpacked(packed.bytes);
    }
    default:
      return { problem: `Unsupported encoding ${goQuoted(encoding)}` };
  }
}

function plain(content: Uint8Array): Decoded {
  const read = fromBase64(content);
  if ("bytes" in read) return read;
  return {
    problem: `Unable to decode base64: ${goQuoted(`illegal base64 data at input byte ${read.badByte}`)}`,
  };
}

function unpacked(packed: Uint8Array): Decoded {
  const read = gunzip(packed);
  return "bytes" in read ? read : { problem: `Unable to decode gzip: ${goQuoted(read.problem)}` };
}
