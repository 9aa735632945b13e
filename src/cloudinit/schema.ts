/**
 * What a cloud-config may hold: the one table from which the reader, the validator, the JSON Schema and the reference
 * page come. Keys, types, deprecations and value rules are those of coreos-cloudinit (April 2018).
 */
export type Schema = ScalarSchema | ListSchema | StructSchema;

export interface ScalarSchema extends Common {
  readonly kind: "string" | "bool" | "int" | "float64";
  /** The values that are taken; text that is not empty has to match. */
  readonly valid?: RegExp;
  /** The values in words, for people. */
  readonly values?: string;
  /** The variable a setting of a service becomes. */
  readonly variable?: string;
}

export interface ListSchema extends Common {
  readonly kind: "list";
  readonly element: ScalarSchema | StructSchema;
}

export interface StructSchema extends Common {
  readonly kind: "struct";
  /** In the order in which services get their variables. */
  readonly keys: Readonly<Record<string, Schema>>;
}

interface Common {
  /** One sentence for the reference page. */
  readonly about: string;
  /** Why the key should not be used any more, in the original's words. */
  readonly deprecated?: string;
}

function text(about: string, more: Partial<ScalarSchema> = {}): ScalarSchema {
  return { about, ...more, kind: "string" };
}

function bool(about: string, more: Partial<ScalarSchema> = {}): ScalarSchema {
  return { about, ...more, kind: "bool" };
}

function list(about: string, element: ScalarSchema | StructSchema, more: Partial<Common> = {}): ListSchema {
  return { about, ...more, kind: "list", element };
}

function struct(
  about: string,
  keys: Readonly<Record<string, Schema>>,
  more: Partial<Common> = {},
): StructSchema {
  return { about, ...more, kind: "struct", keys };
}

/** `NAME:KIND` words, `!` behind a name for a key that the section never understood, `=VARIABLE` for an odd variable. */
function settings(
  prefix: string,
  words: string,
  more: Readonly<Record<string, Partial<ScalarSchema>>> = {},
): Record<string, ScalarSchema> {
  const rows = words
    .trim()
    .split(/\s+/)
    .map((word): [string, ScalarSchema] => {
      const [, name = "", mark, kind = "s", odd] = /^(\w+)(!?)(?::([bif]))?(?:=(\w+))?$/.exec(word) ?? [];
      const variable = odd ?? `${prefix}${name.toUpperCase()}`;
      return [
        name,
        {
          kind: kindOf[kind] ?? "string",
          about: `Becomes ${variable}.`,
          variable,
          ...(mark === "!" ? { deprecated: "etcd2 options no longer work for etcd" } : {}),
          ...more[name],
        },
      ];
    });
  return Object.fromEntries(rows);
}

const kindOf: Readonly<Record<string, ScalarSchema["kind"]>> = {
  s: "string",
  b: "bool",
  i: "int",
  f: "float64",
};

/** The rule of `reboot_strategy` as its message shows it. */
export const strategyRule = "^(etcd-lock|reboot|off)$";

const commandNames = "start|stop|restart|reload|try-restart|reload-or-restart|reload-or-try-restart";

const remoteKeys = "trying to fetch from a remote endpoint introduces too many intermittent errors";

// `\n` cannot match before the end of these, as `$` without the flag `m` means the very end in JavaScript.
const windowStart =
  /^((?:[sS][uU][nN]|[mM][oO][nN]|[tT][uU][eE]|[wW][eE][dD]|[tT][hH][uU]|[fF][rR][iI]|[sS][aA][tT]) )?0*([0-9]|1[0-9]|2[0-3]):0*([0-9]|[1-5][0-9])$/;

// The original's rule backtracks without end in JavaScript; this one takes the same texts in one pass.
const windowLength = /^[-+]?[0-9.a-z]*[a-z]$/;

/** Whether a text is a length of a maintenance window: numbers, each followed by letters. */
export function isWindowLength(value: string): boolean {
  if (!windowLength.test(value)) return false;
  return value
    .replace(/^[-+]/, "")
    .split(/(?<=[a-z])(?=[0-9.])/)
    .every((part) => /^[0-9]*(\.[0-9]*)?[a-z]+$/.test(part));
}

const etcd = settings(
  "ETCD_",
  `addr advertise_client_urls! bind_addr ca_file cert_file cluster_active_size:i cluster_remove_delay:f
   cluster_sync_interval:f cors data_dir discovery discovery_fallback! discovery_srv! discovery_proxy! election_timeout!:i
   force_new_cluster!:b graphite_host heartbeat_interval!:i http_read_timeout:f http_write_timeout:f
   initial_advertise_peer_urls! initial_cluster! initial_cluster_state! initial_cluster_token! key_file
   listen_client_urls! listen_peer_urls! max_result_buffer:i max_retry_attempts:i max_snapshots!:i max_wals!:i name
   peer_addr peer_bind_addr peer_ca_file peer_cert_file peer_election_timeout:i peer_heartbeat_interval:i peer_key_file
   peers peers_file proxy! retry_interval:f snapshot:b snapshot_count:i=ETCD_SNAPSHOTCOUNT trace verbose:b
   very_verbose:b very_very_verbose:b`,
);

const etcd2 = settings(
  "ETCD_",
  `advertise_client_urls ca_file cert_file client_cert_auth:b cors data_dir debug:b discovery discovery_fallback
   discovery_srv discovery_proxy election_timeout:i enable_pprof:b force_new_cluster:b heartbeat_interval:i
   initial_advertise_peer_urls initial_cluster initial_cluster_state initial_cluster_token key_file listen_client_urls
   listen_peer_urls log_package_levels max_snapshots:i max_wals:i name peer_ca_file peer_cert_file peer_key_file
   peer_client_cert_auth:b peer_trusted_ca_file proxy proxy_dial_timeout:i proxy_failure_wait:i proxy_read_timeout:i
   proxy_refresh_interval:i proxy_write_timeout:i snapshot_count:i strict_reconfig_check:b trusted_ca_file wal_dir`,
  {
    ca_file: { deprecated: "ca_file obsoleted by trusted_ca_file and client_cert_auth" },
    peer_ca_file: { deprecated: "peer_ca_file obsoleted peer_trusted_ca_file and peer_client_cert_auth" },
    proxy: { valid: /^(on|off|readonly)$/, values: "on, off, readonly" },
  },
);

const fleet = settings(
  "FLEET_",
  `agent_ttl authorized_keys_file disable_engine:b engine_reconcile_interval:f etcd_cafile etcd_certfile etcd_keyfile
   etcd_key_prefix etcd_request_timeout:f etcd_servers etcd_username etcd_password metadata public_ip token_limit:i
   verbosity:i verify_units:b`,
);

const flannel = settings(
  "FLANNELD_",
  `etcd_endpoints etcd_cafile etcd_certfile etcd_keyfile etcd_prefix etcd_username etcd_password ip_masq subnet_file
   interface=FLANNELD_IFACE public_ip`,
);

const locksmith = settings(
  "LOCKSMITHD_",
  `endpoint etcd_cafile etcd_certfile etcd_keyfile etcd_username etcd_password group
   window_start=REBOOT_WINDOW_START window_length=REBOOT_WINDOW_LENGTH`,
  {
    window_start: {
      valid: windowStart,
      values: "an hour such as 04:00, or a day and an hour such as Thu 04:00",
    },
    window_length: {
      valid: windowLength,
      values: "a length such as 1h30m",
    },
  },
);

const unit = struct("A unit of systemd.", {
  name: text("The unit's file name with its suffix; a unit without a name is left out."),
  mask: bool("Links the unit to /dev/null, so that nothing can start it."),
  enable: bool("Enables the unit as its [Install] section says."),
  runtime: bool("Writes below /run in place of /etc: gone at the next boot."),
  content: text("The text of the unit file."),
  command: text("What to do with the unit once all units are written.", {
    valid: new RegExp(`^(${commandNames})$`),
    values: commandNames.replaceAll("|", ", "),
  }),
  drop_ins: list(
    "Files that change parts of the unit.",
    struct("A drop-in.", {
      name: text("The file's name, ending in .conf."),
      content: text("The file's text."),
    }),
  ),
});

const user = struct("A user of the machine.", {
  name: text("The login name; a user without a name is left out."),
  passwd: text("The hash of the password. Without it nobody can log in with a password."),
  ssh_authorized_keys: list("Public keys that may log in as this user.", text("A public key.")),
  coreos_ssh_import_github: text("A user of GitHub whose keys may log in.", { deprecated: remoteKeys }),
  coreos_ssh_import_github_users: list("Users of GitHub whose keys may log in.", text("A user of GitHub."), {
    deprecated: remoteKeys,
  }),
  coreos_ssh_import_url: text("Where a JSON list of keys lies that may log in.", { deprecated: remoteKeys }),
  gecos: text("The full name."),
  homedir: text("The home folder, when it is not below /home."),
  no_create_home: bool("Makes no home folder."),
  primary_group: text("The user's first group."),
  groups: list("More groups of the user.", text("A group.")),
  no_user_group: bool("Makes no group of the user's name."),
  system: bool("Makes a system user."),
  no_log_init: bool("Leaves the user out of the logs of logins."),
  shell: text("The login shell."),
});

const file = struct("A file.", {
  encoding: text("How the content is written down.", {
    valid: /^(base64|b64|gz|gzip|gz\+base64|gzip\+base64|gz\+b64|gzip\+b64)$/,
    values: "base64, b64, gz, gzip, gz+base64, gzip+base64, gz+b64, gzip+b64",
  }),
  content: text("The file's content."),
  owner: text("Who owns the file, as chown takes it: USER or USER:GROUP."),
  path: text("Where the file lies; missing folders are made."),
  permissions: text("The file's mode in octal digits; 0644 without it.", {
    valid: /^0?[0-7]{3,4}$/,
    values: "three or four octal digits, such as 0644",
  }),
});

/** The whole cloud-config. */
export const cloudConfigSchema = struct("A cloud-config.", {
  ssh_authorized_keys: list("Public keys that may log in as the user core.", text("A public key.")),
  coreos: struct("What the platform's own services are to do.", {
    etcd: struct("Settings of etcd, as its releases before 2.0 knew them.", etcd, {
      deprecated: "etcd is no longer shipped in Container Linux",
    }),
    etcd2: struct("Settings of etcd.", etcd2, {
      deprecated: "etcd2 is no longer shipped in Container Linux",
    }),
    flannel: struct("Settings of flannel, which does not come with Argosy.", flannel),
    fleet: struct("Settings of fleet.", fleet, {
      deprecated: "fleet is no longer shipped in Container Linux",
    }),
    locksmith: struct("Settings of locksmith, which reboots one machine at a time.", locksmith),
    oem: struct("Who made the machine's image; written to /etc/oem-release when there is an id.", {
      id: text("A short name."),
      name: text("The full name."),
      version_id: text("The version."),
      home_url: text("Where to read more."),
      bug_report_url: text("Where to report defects."),
    }),
    update: struct("How the machine gets new releases.", {
      reboot_strategy: text("How to reboot into a new release.", {
        valid: new RegExp(strategyRule),
        values: "etcd-lock, reboot, off",
      }),
      group: text("The group of machines this one gets releases with."),
      server: text("The URL of the server that knows the releases."),
    }),
    units: list("Units of systemd: write, change, enable, mask, start.", unit),
  }),
  write_files: list("Files to write before any unit is touched.", file),
  hostname: text("The machine's host name."),
  users: list("Users to make, or whose password and keys to set.", user),
  manage_etc_hosts: text("With localhost, /etc/hosts gets one line with the host name.", {
    values: "localhost",
  }),
});

/** What a wanted type is called in the original's messages. */
export function typeName(schema: Schema): string {
  if (schema.kind !== "list") return schema.kind;
  return schema.element.kind === "struct" ? "[]struct" : `[]${schema.element.kind}`;
}

/** Whether a text that is not empty is a value of the key. */
export function isValid(schema: Schema, value: string): boolean {
  if (!("valid" in schema) || schema.valid === undefined || value === "") return true;
  return schema.valid === windowLength ? isWindowLength(value) : schema.valid.test(value);
}
