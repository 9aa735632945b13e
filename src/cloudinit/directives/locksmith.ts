import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { serviceDropIn } from "./service-settings.ts";

/** `coreos.locksmith`: settings of locksmithd.service. */
export function locksmith(config: TypedStruct): readonly Action[] {
  return serviceDropIn(config, "locksmith", "locksmithd.service");
}
