import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";

/** `manage_etc_hosts`. */
export function hosts(config: TypedStruct): readonly Action[] {
  const value = config.text("manage_etc_hosts");
  if (value === "") return [];
  if (value !== "localhost") return [{ kind: "fail", sentence: "Invalid option to manage_etc_hosts" }];
  return [{ kind: "write-hosts" }];
}
