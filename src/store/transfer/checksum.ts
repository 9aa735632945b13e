import { createHash } from "node:crypto";

/** A SHA-256 that is fed text by text. */
export interface Checksum {
  add(text: string): void;
  /** 64 hexadecimal digits, of everything so far. */
  hex(): string;
}

export function newChecksum(): Checksum {
  const hash = createHash("sha256");
  return {
    add: (text) => void hash.update(text, "utf8"),
    hex: () => hash.copy().digest("hex"),
  };
}
