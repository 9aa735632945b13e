import type { Call, Flag } from "../cli/command.ts";
import { ClusterClient, type ClientTransport } from "../keys/client.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { Fault } from "../lib/fault.ts";
import { RebootLock } from "../locksmith/reboot-lock.ts";

/** What locksmithctl needs of the world besides its surroundings; the edge gives the real thing. */
export interface Outside {
  /** Throws Fault `file-unreadable` for the files of TLS. */
  transport(tls: {
    readonly keyFile: string;
    readonly certFile: string;
    readonly caFile: string;
  }): ClientTransport;
  /** The effective user, 0 for root; undefined where there are no users. */
  userId(): number | undefined;
  /** Asks logind to reboot this machine. Throws Fault `bus-refused` with its words. */
  reboot(): Promise<void>;
  /** Sends the signal with which update-engine tells that a new system waits for a reboot. Throws as above. */
  emitNeedReboot(): Promise<void>;
}

/** Where etcd, and Argosy's own service, listen; those of locksmith 0.6.2. */
const defaultEndpoints = "http://127.0.0.1:2379,http://127.0.0.1:4001";

/** How long a server may take to begin its answer, and how long one command may take with all its requests. */
const headLimitMs = 5_000;
const wholeLimitMs = 30_000;

/** Flags that every command of locksmithctl has, as in locksmithctl 0.6.2. */
export const globalFlags: readonly Flag[] = [
  {
    name: "endpoint",
    kind: "text",
    repeated: true,
    placeholder: "URL,...",
    summary: `the servers of the keys API, the first that answers counts (default ${defaultEndpoints})`,
    variable: "LOCKSMITHCTL_ENDPOINT",
  },
  {
    name: "etcd-cafile",
    kind: "text",
    placeholder: "FILE",
    summary: "authority of the servers' certificates; needs the other two files",
    variable: "LOCKSMITHCTL_ETCD_CAFILE",
  },
  {
    name: "etcd-certfile",
    kind: "text",
    placeholder: "FILE",
    summary: "client certificate",
    variable: "LOCKSMITHCTL_ETCD_CERTFILE",
  },
  {
    name: "etcd-keyfile",
    kind: "text",
    placeholder: "FILE",
    summary: "key of the client certificate",
    variable: "LOCKSMITHCTL_ETCD_KEYFILE",
  },
  {
    name: "etcd-username",
    kind: "text",
    placeholder: "NAME",
    summary: "who asks",
    variable: "LOCKSMITHCTL_ETCD_USERNAME",
  },
  {
    name: "etcd-password",
    kind: "text",
    placeholder: "PASSWORD",
    summary: "with which password",
    variable: "LOCKSMITHCTL_ETCD_PASSWORD",
  },
  {
    name: "group",
    kind: "text",
    placeholder: "NAME",
    summary: "the machines that share slots; each group has its own (default: the group without a name)",
    variable: "LOCKSMITHCTL_GROUP",
  },
  {
    name: "debug",
    kind: "switch",
    summary: "tell each request on standard error, as a curl command",
    variable: "LOCKSMITHCTL_DEBUG",
  },
];

/** Gives a verb the lock of the group that its flags name. Throws Fault `no-client`, `bad-group`. */
export type Connect = (call: Call) => RebootLock;

/** Makes locks from the flags of a call. */
export function connectWith(outside: Outside): Connect {
  return (call) => {
    const text = (name: string): string => call.flags.text(name) ?? "";
    const tls = {
      caFile: text("etcd-cafile"),
      certFile: text("etcd-certfile"),
      keyFile: text("etcd-keyfile"),
    };
    const given = Object.values(tls).filter((file) => file !== "").length;
    if (given > 0 && given < 3) {
      throw new Fault(
        "no-client",
        "--etcd-cafile, --etcd-certfile and --etcd-keyfile belong together: give all three or none",
      );
    }
    const begin = call.env.clock.monotonic();
    const client = new ClusterClient({
      transport: outside.transport(tls),
      endpoints: endpointsOf(call),
      authorization: authorization(text("etcd-username"), text("etcd-password")),
      headLimitMs,
      leftMs: () => wholeLimitMs - (call.env.clock.monotonic() - begin),
      onRequest: (curl) => call.flags.on("debug") && call.stderr.write(`${curl}\n`),
      signal: call.signal,
    });
    return new RebootLock(call.env, new KeysClient(client), text("group"));
  };
}

function endpointsOf(call: Call): readonly string[] {
  const given = call.flags.all("endpoint").flatMap((text) => text.split(","));
  const urls = given.map((url) => url.trim()).filter((url) => url !== "");
  const all = urls.length === 0 ? defaultEndpoints.split(",") : urls;
  return all.map((url) => (url.includes("://") ? url : `http://${url}`));
}

function authorization(name: string, password: string): string {
  if (name === "") return "";
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
