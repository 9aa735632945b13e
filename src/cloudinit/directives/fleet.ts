import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { serviceDropIn } from "./service-settings.ts";

/** `coreos.fleet`: settings of fleet.service. */
export function fleet(config: TypedStruct): readonly Action[] {
  return serviceDropIn(config, "fleet", "fleet.service");
}
