import { type Action, writeText } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { sectionSchema } from "./service-settings.ts";
import { settingLines } from "./settings-text.ts";

/** `coreos.flannel`: its options are written where flannel looks for them, although it does not come with Argosy. */
export function flannel(config: TypedStruct): readonly Action[] {
  const lines = settingLines(config.struct("coreos").struct("flannel"), sectionSchema("flannel"));
  if (lines.length === 0) return [];
  return [
    {
      kind: "note",
      sentence: "flannel is not built in: its options are written, but nothing here reads them.",
    },
    writeText("/run/flannel/options.env", lines.join("\n")),
  ];
}
