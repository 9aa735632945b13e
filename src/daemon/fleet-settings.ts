import { addresses, duration, list, pairs, text, truth, whole } from "./setting-kinds.ts";
import type { SettingTable } from "./settings.ts";

/**
 * The settings of `fleet.service`: keys of /etc/fleet/fleet.conf and variables FLEET_*, named as in fleet v1.0.0.
 * What only steered that version's polling and its use of etcd v2 is accepted without effect, so that old files work.
 */
export const fleetSettings = {
  verbosity: whole({ key: "verbosity", environment: "FLEET_VERBOSITY", default: "0" }, 0, 10),
  /** Client addresses of the store; fleet.conf's etcd_servers, or the cluster-wide ARGOSY_STORE_ENDPOINTS. */
  etcdServers: list({ key: "etcd_servers", environment: "FLEET_ETCD_SERVERS", default: "" }),
  storeEndpoints: addresses({ environment: "ARGOSY_STORE_ENDPOINTS", default: "http://127.0.0.1:2379" }),
  /** The address other machines reach this one at; found by itself when empty. */
  publicIp: text({ key: "public_ip", environment: "FLEET_PUBLIC_IP", default: "" }),
  metadata: pairs({ key: "metadata", environment: "FLEET_METADATA", default: "" }),
  /** How long this machine counts as present after it was last heard of. */
  agentTtlMs: duration({ key: "agent_ttl", environment: "FLEET_AGENT_TTL", default: "10s" }),
  unitsDirectory: text({
    key: "units_directory",
    environment: "FLEET_UNITS_DIRECTORY",
    default: "/run/fleet/units",
  }),
  tokenLimit: whole({ key: "token_limit", environment: "FLEET_TOKEN_LIMIT", default: "100" }, 1, 65_535),
  disableEngine: truth({ key: "disable_engine", environment: "FLEET_DISABLE_ENGINE", default: "false" }),
  etcdKeyPrefix: text({ key: "etcd_key_prefix", environment: "FLEET_ETCD_KEY_PREFIX", default: "" }),
  etcdRequestTimeout: text({
    key: "etcd_request_timeout",
    environment: "FLEET_ETCD_REQUEST_TIMEOUT",
    default: "",
  }),
  engineReconcileInterval: text({
    key: "engine_reconcile_interval",
    environment: "FLEET_ENGINE_RECONCILE_INTERVAL",
    default: "",
  }),
  enableGrpc: text({ key: "enable_grpc", environment: "FLEET_ENABLE_GRPC", default: "" }),
  disableWatches: text({ key: "disable_watches", environment: "FLEET_DISABLE_WATCHES", default: "" }),
} satisfies SettingTable;
