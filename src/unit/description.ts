import type { UnitFile } from "./unit-file.ts";

/** The first `Description` of the `[Unit]` section; empty when there is none. */
export function descriptionOf(file: UnitFile): string {
  return file.find((option) => option.section === "Unit" && option.name === "Description")?.value ?? "";
}
