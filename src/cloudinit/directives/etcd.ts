import type { Action } from "../actions.ts";
import type { TypedStruct } from "../read-config.ts";
import { serviceDropIn } from "./service-settings.ts";

/** `coreos.etcd`: settings of etcd.service. */
export function etcd(config: TypedStruct): readonly Action[] {
  return serviceDropIn(config, "etcd", "etcd.service");
}
