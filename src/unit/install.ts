import type { UnitFile } from "./unit-file.ts";

const installNames: ReadonlySet<string> = new Set(["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"]);

/**
 * Whether a unit has an [Install] section, and whether that names anything to install it into (systemd.unit(5)).
 * systemd refuses nothing about a section that does not, but enabling such a unit has no effect.
 */
export function installOf(file: UnitFile): "none" | "nowhere" | "somewhere" {
  const install = file.filter((option) => option.section === "Install");
  if (install.length === 0) return "none";
  const says = install.some((option) => installNames.has(option.name) && option.value !== "");
  return says ? "somewhere" : "nowhere";
}
