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
  const path = `/run/systemd/system/${service}`;
  // As for every unit below /run, a mask that lies there is taken away: who gives a service settings wants it.
  return [writeText(`${path}.d/20-cloudinit.conf`, `${text}\n`), { kind: "unmask", path }];
}
