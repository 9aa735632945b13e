import type { UnitFile } from "./unit-file.ts";

/**
 * The text of a unit file, as it is stored, hashed, written to machines and shown (fleet v1.0.0): sections in order of
 * first appearance with one blank line between, every option of a section in its order, each line ended by LF.
 */
export function printUnitFile(file: UnitFile): string {
  const sections = new Map<string, string>();
  for (const { section, name, value } of file) {
    sections.set(section, `${sections.get(section) ?? `[${section}]\n`}${name}=${value}\n`);
  }
  return [...sections.values()].join("\n");
}
