import { createHash } from "node:crypto";

/** The SHA-1 of a printed unit file, 40 lower-case hexadecimal digits (fleet v1.0.0): units of one hash are the same. */
export function hashUnitText(text: string): string {
  return createHash("sha1").update(text, "utf8").digest("hex");
}
