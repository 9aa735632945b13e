import { type Action, writeText } from "../actions.ts";
import { goQuoted } from "../../lib/go-quote.ts";
import type { TypedStruct } from "../read-config.ts";

/** `coreos.oem`: who made the image. */
export function oem(config: TypedStruct): readonly Action[] {
  const values = config.struct("coreos").struct("oem");
  if (values.text("id") === "") return [];
  const lines = [
    `ID=${values.text("id")}`,
    `VERSION_ID=${values.text("version_id")}`,
    `NAME=${goQuoted(values.text("name"))}`,
    `HOME_URL=${goQuoted(values.text("home_url"))}`,
    `BUG_REPORT_URL=${goQuoted(values.text("bug_report_url"))}`,
  ];
  return [writeText("/etc/oem-release", `${lines.join("\n")}\n`)];
}
