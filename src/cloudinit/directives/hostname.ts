import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";

/** `hostname`. */
export function hostname(config: TypedStruct): readonly Action[] {
  const name = config.text("hostname");
  return name === "" ? [] : [{ kind: "run", program: ["hostnamectl", "set-hostname", name] }];
}
