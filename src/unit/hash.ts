import process from "node:process";

/** The SHA-1 of a printed unit file, 40 lower-case hexadecimal digits (fleet v1.0.0): units of one hash are the same. */
export function hashUnitText(text: string): string {
  // Loaded at the first hash: it takes as long as a third of a short command, and few of those need it.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha1").update(text, "utf8").digest("hex");
}
