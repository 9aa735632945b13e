import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { serviceDropIn } from "./service-settings.ts";

/** `coreos.etcd2`: settings of etcd2.service. */
export function etcd2(config: TypedStruct): readonly Action[] {
  return serviceDropIn(config, "etcd2", "etcd2.service");
}
