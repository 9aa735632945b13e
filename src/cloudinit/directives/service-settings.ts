import { type Action, writeText } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { cloudConfigSchema, type StructSchema } from "../schema.ts";
import { settingLines } from "./settings-text.ts";

/** The schema of a section below `coreos`. */
export function sectionSchema(name: string): StructSchema {
  const coreos = cloudConfigSchema.keys["coreos"];
  const section = coreos?.kind === "struct" ? coreos.keys[name] : undefined;
  return section?.kind === "struct" ? section : { kind: "struct", about: "", keys: {} };
}

/**
 * The drop-in that hands a section's settings to a service as environment variables: nothing without settings. As in
 * the original nothing is escaped, so what people wrote for it keeps its meaning.
 */
export function serviceDropIn(config: TypedStruct, section: string, service: string): readonly Action[] {
  const lines = settingLines(config.struct("coreos").struct(section), sectionSchema(section));
  if (lines.length === 0) return [];
  const text = ["[Service]", ...lines.map((line) => `Environment="${line}"`)].join("\n");
  return [writeText(`/run/systemd/system/${service}.d/20-cloudinit.conf`, `${text}\n`)];
}
