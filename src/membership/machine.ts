import type { EtcdVariables } from "./environment.ts";
import type { TlsFiles } from "./old-settings.ts";
import type { Role } from "./records.ts";

/** What a machine remembers on its disk of its part in the cluster, so that it needs nobody to begin again. */
export interface RoleRecord {
  readonly role: Role;
  /** The store's endpoints, this machine's own member first; where it was last known to be served. */
  readonly endpoints: readonly string[];
  /** What this machine's etcd is told besides what the administrator set. */
  readonly variables: EtcdVariables;
  /** The settings it was decided from: when they change it is decided again. */
  readonly told: string;
  /**
   * What the administrator set, in his words: for commands, which do not run in etcd.service's surroundings, and for a boot
   * at which nobody says anything.
   */
  readonly given?: EtcdVariables;
  /** Files for endpoints that are https; all daemons on the machine use them. */
  readonly tls?: TlsFiles;
}

/** A machine's disk and its systemd, as far as its part in the cluster goes. */
export interface MemberMachine {
  readonly id: string;
  /** Its host name. */
  readonly name: string;
  /** Empty when it has none. */
  readonly address: string;
  /** etcd's variables as the administrator set them, those of old etcds in today's words. */
  readonly given: EtcdVariables;
  /** The same in his own words. */
  readonly original: EtcdVariables;
  /** Files with which members are asked over https, as the administrator named them. */
  readonly tls: TlsFiles | undefined;
  /** Where the store is when nothing else is known; empty when the administrator named none. */
  readonly storeEndpoints: readonly string[];
  /** Undefined when it was never decided. */
  remembered(): Promise<RoleRecord | undefined>;
  /** Writes the record as a whole; durable when it returns. */
  remember(record: RoleRecord): Promise<void>;
  hasData(): Promise<boolean>;
  /** Starts this machine's etcd with these variables, now and at every boot; one that runs is left alone. */
  startEtcd(variables: EtcdVariables): Promise<void>;
  /** Makes sure that it was started with these variables; restarts it when it was not. */
  alignEtcd(variables: EtcdVariables): Promise<void>;
  /** Gives it other variables, and restarts it if it runs. */
  restartEtcd(variables: EtcdVariables): Promise<void>;
  /** Stops it, now and at every boot. */
  stopEtcd(): Promise<void>;
  /** Renames the data of this machine's etcd, which has to be stopped; the last renamed is kept. */
  setDataAside(): Promise<void>;
}
