import { leastLeaseMs } from "../locksmith/reboot-lock.ts";
import { duration, list, text } from "./setting-kinds.ts";
import type { Setting, SettingTable } from "./settings.ts";

/** A length of time, or `off`, which is undefined. */
function durationOrOff(place: Omit<Setting<unknown>, "parse">, leastMs = 0): Setting<number | undefined> {
  const { parse } = duration(place);
  return {
    ...place,
    parse(value) {
      if (value === "off") return undefined;
      const ms = parse(value);
      if (ms < leastMs) throw new RangeError(`off or at least ${leastMs / 1000}s`);
      return ms;
    },
  };
}

/**
 * The settings of locksmithd.service: variables of the environment, which systemd reads from /usr/share/coreos/update.conf,
 * /etc/coreos/update.conf and drop-ins, named as in locksmith 0.6.2. New ones of ours: lease, drain, calendar, zone, fleet.
 */
export const locksmithSettings = {
  strategy: text({ environment: "REBOOT_STRATEGY", default: "" }),
  group: text({ environment: "LOCKSMITHD_GROUP", default: "" }),
  endpoints: list({
    environment: "LOCKSMITHD_ENDPOINT",
    default: "http://127.0.0.1:2379,http://127.0.0.1:4001",
  }),
  etcdCaFile: text({ environment: "LOCKSMITHD_ETCD_CAFILE", default: "" }),
  etcdCertFile: text({ environment: "LOCKSMITHD_ETCD_CERTFILE", default: "" }),
  etcdKeyFile: text({ environment: "LOCKSMITHD_ETCD_KEYFILE", default: "" }),
  etcdUsername: text({ environment: "LOCKSMITHD_ETCD_USERNAME", default: "" }),
  etcdPassword: text({ environment: "LOCKSMITHD_ETCD_PASSWORD", default: "" }),
  windowStart: text({ environment: "LOCKSMITHD_REBOOT_WINDOW_START", default: "" }),
  windowLength: text({ environment: "LOCKSMITHD_REBOOT_WINDOW_LENGTH", default: "" }),
  /** The names without the prefix count where those with it say nothing. */
  bareWindowStart: text({ environment: "REBOOT_WINDOW_START", default: "" }),
  bareWindowLength: text({ environment: "REBOOT_WINDOW_LENGTH", default: "" }),
  windowCalendar: text({ environment: "LOCKSMITHD_REBOOT_WINDOW_CALENDAR", default: "" }),
  windowZone: text({ environment: "LOCKSMITHD_REBOOT_WINDOW_ZONE", default: "" }),
  /** How long the slot is kept for a machine that does not come back. */
  leaseMs: durationOrOff({ environment: "LOCKSMITHD_LEASE", default: "1h" }, leastLeaseMs),
  /** How long units have to leave the machine before it reboots. */
  drainMs: durationOrOff({ environment: "LOCKSMITHD_DRAIN_TIMEOUT", default: "10m" }),
  fleetEndpoint: text({ environment: "LOCKSMITHD_FLEET_ENDPOINT", default: "unix:///run/fleet.sock" }),
} satisfies SettingTable;

/**
 * The endpoints of the keys for those that are named. etcd 2 served them at 2379 as well, which is another protocol by now:
 * behind such an endpoint its host is tried at the keys' own port, too.
 */
export function keysEndpoints(named: readonly string[]): readonly string[] {
  const all = named.flatMap((endpoint) => {
    const url = URL.parse(endpoint);
    return url?.port === "2379" ? [endpoint, `${url.protocol}//${url.hostname}:4001`] : [endpoint];
  });
  return [...new Set(all)];
}
