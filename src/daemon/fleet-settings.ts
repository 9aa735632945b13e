import {
  absolutePath,
  addresses,
  duration,
  list,
  optional,
  pairs,
  seconds,
  text,
  truth,
  whole,
} from "./setting-kinds.ts";
import { readFleetName, usualFleet } from "../fleet/fleet-name.ts";
import type { Setting, Settings, SettingTable } from "./settings.ts";

const polled = "nothing is polled";
const signing = "units are not signed";

/** A setting of fleet v1.0.0 that only steered what is done in another way here. */
function idle<Value>(
  kind: (place: { key: string; environment: string; default: string }) => Setting<Value>,
  key: string,
  because: string,
): Setting<Value | undefined> & { readonly key: string; readonly because: string } {
  const place = { key, environment: `FLEET_${key.toUpperCase()}`, default: "" };
  return { ...optional(kind(place)), key, because };
}

const withoutEffect = {
  etcdRequestTimeout: idle(seconds, "etcd_request_timeout", "the store's limits are fixed"),
  etcdUsername: idle(
    text,
    "etcd_username",
    "the store is asked without a password; use etcd_keyfile and etcd_certfile",
  ),
  etcdPassword: idle(
    text,
    "etcd_password",
    "the store is asked without a password; use etcd_keyfile and etcd_certfile",
  ),
  engineReconcileInterval: idle(seconds, "engine_reconcile_interval", polled),
  enableGrpc: idle(
    truth,
    "enable_grpc",
    "the store is always spoken to over gRPC, and machines never to each other",
  ),
  disableWatches: idle(truth, "disable_watches", polled),
  systemdUser: idle(truth, "systemd_user", "units are run by the system's service manager"),
  verifyUnits: idle(truth, "verify_units", signing),
  authorizedKeysFile: idle(text, "authorized_keys_file", signing),
};

/**
 * The settings of `fleet.service`: keys of /etc/fleet/fleet.conf and variables FLEET_*, named as in fleet v1.0.0.
 * What only steered that version's polling and its use of etcd v2 is checked and has no effect, so that old files work.
 */
export const fleetSettings = {
  /** Above 0 debug lines are logged; how far above makes no difference. */
  verbosity: whole({ key: "verbosity", environment: "FLEET_VERBOSITY", default: "0" }, -1000, 1000),
  /** Client addresses of the store; fleet.conf's etcd_servers, or the cluster-wide ARGOSY_STORE_ENDPOINTS. */
  etcdServers: list({ key: "etcd_servers", environment: "FLEET_ETCD_SERVERS", default: "" }),
  storeEndpoints: addresses({ environment: "ARGOSY_STORE_ENDPOINTS", default: "http://127.0.0.1:2379" }),
  /** Which fleet of the store this machine belongs to; fleet v1.0.0 kept its keys there. */
  etcdKeyPrefix: {
    key: "etcd_key_prefix",
    environment: "FLEET_ETCD_KEY_PREFIX",
    default: usualFleet,
    parse: readFleetName,
  },
  /** The address other machines reach this one at; found by itself when empty. */
  publicIp: text({ key: "public_ip", environment: "FLEET_PUBLIC_IP", default: "" }),
  metadata: pairs({ key: "metadata", environment: "FLEET_METADATA", default: "" }),
  /** How long this machine counts as present after it was last heard of. */
  agentTtlMs: duration({ key: "agent_ttl", environment: "FLEET_AGENT_TTL", default: "10s" }),
  unitsDirectory: absolutePath({
    key: "units_directory",
    environment: "FLEET_UNITS_DIRECTORY",
    default: "/run/fleet/units",
  }),
  tokenLimit: whole({ key: "token_limit", environment: "FLEET_TOKEN_LIMIT", default: "100" }, 1, 65_535),
  disableEngine: truth({ key: "disable_engine", environment: "FLEET_DISABLE_ENGINE", default: "false" }),
  /** Files for TLS to the store: a client's key and certificate, and the authority of the members'. */
  etcdKeyFile: text({ key: "etcd_keyfile", environment: "FLEET_ETCD_KEYFILE", default: "" }),
  etcdCertFile: text({ key: "etcd_certfile", environment: "FLEET_ETCD_CERTFILE", default: "" }),
  etcdCaFile: text({ key: "etcd_cafile", environment: "FLEET_ETCD_CAFILE", default: "" }),
  ...withoutEffect,
} satisfies SettingTable;

export type FleetSettings = Settings<typeof fleetSettings>;

/**
 * The client addresses of members among those of `etcd_servers`. Old settings name the v2 keys of the own machine (port 4001,
 * and 2379 of etcd 2), which fleet does not use any more: this machine knows the members itself. Elsewhere the members'
 * clients are served at 2379, whichever of the two is named.
 */
export function storesOf(servers: readonly string[]): readonly string[] {
  const stores = servers.flatMap((server) => {
    const url = URL.parse(server);
    if (url === null) return [server];
    const isKeys = url.port === "4001";
    const isHere = /^(127\.|localhost$|\[::1\]$)/.test(url.hostname);
    if (isHere && (isKeys || url.port === "2379")) return [];
    return [isKeys ? `${url.protocol}//${url.hostname}:2379` : server];
  });
  return [...new Set(stores)];
}

/** What an operator should hear about settings that are understood but do nothing here; one sentence each. */
export function settingsWithoutEffect(settings: FleetSettings): readonly string[] {
  const names = Object.keys(withoutEffect) as (keyof typeof withoutEffect)[];
  return names.flatMap((name) => {
    const value = settings[name];
    const { key, because } = withoutEffect[name];
    if (value === undefined || value === false || value === "") return [];
    // In the words of fleet v1.0.0, which ignored these two as well.
    if (because === signing) return [`Config option ${key} is no longer supported - ignoring`];
    return [`the setting ${key} has no effect: ${because}`];
  });
}
