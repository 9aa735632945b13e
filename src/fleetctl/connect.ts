import { type Call, type Command, exitCodes, type Flag } from "../cli/command.ts";
import { FleetClient, type Transport } from "../fleet/api-client.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";
import type { Ssh, Tunnel } from "./open-ssh.ts";
import { readSshHost, type SshHost, type SshSettings, type TunnelEnd } from "./ssh-words.ts";

/** Opens the way to an endpoint; the edge gives sockets, tests give the API itself. */
export type OpenTransport = (
  endpoint: string,
  tls: { readonly keyFile: string; readonly certFile: string; readonly caFile: string },
  through?: (end: TunnelEnd) => string,
) => Transport;

/** What fleetctl has of the world outside. */
export interface Outside {
  readonly open: OpenTransport;
  /** Loaded when it is needed, because few commands do. */
  readonly ssh: () => Promise<Ssh>;
}

/** Gives a verb its client. Throws Fault `client` when the flags do not name an API. */
export type Connect = (call: Call) => FleetClient;

/** Flags that every command of fleetctl has, as in fleetctl v1.0.0; each has its environment variable. */
export const globalFlags: readonly Flag[] = [
  {
    name: "endpoint",
    kind: "text",
    placeholder: "URL",
    summary: "the fleet API to use: unix, file, http or https",
    otherwise: "unix:///run/fleet.sock",
    variable: "FLEETCTL_ENDPOINT",
  },
  {
    name: "key-file",
    kind: "text",
    placeholder: "FILE",
    choices: { files: true },
    summary: "key of the client certificate",
    otherwise: "",
    variable: "FLEETCTL_KEY_FILE",
  },
  {
    name: "cert-file",
    kind: "text",
    placeholder: "FILE",
    choices: { files: true },
    summary: "client certificate",
    otherwise: "",
    variable: "FLEETCTL_CERT_FILE",
  },
  {
    name: "ca-file",
    kind: "text",
    placeholder: "FILE",
    choices: { files: true },
    summary: "authority of the server's certificate",
    otherwise: "",
    variable: "FLEETCTL_CA_FILE",
  },
  {
    name: "tunnel",
    kind: "text",
    placeholder: "HOST[:PORT]",
    summary: "reach the API and the machines by ssh through this host",
    otherwise: "",
    variable: "FLEETCTL_TUNNEL",
  },
  {
    name: "ssh-username",
    kind: "text",
    placeholder: "USER",
    summary: "who to be on the other side of ssh",
    otherwise: "core",
    variable: "FLEETCTL_SSH_USERNAME",
  },
  {
    name: "ssh-timeout",
    kind: "seconds",
    summary: "how long making a connection of ssh may take",
    otherwise: "10.0",
    variable: "FLEETCTL_SSH_TIMEOUT",
  },
  {
    name: "strict-host-key-checking",
    kind: "switch",
    summary: "ask about hosts that ssh does not know, and refuse those whose key has changed",
    otherwise: "true",
    variable: "FLEETCTL_STRICT_HOST_KEY_CHECKING",
  },
  {
    name: "known-hosts-file",
    kind: "text",
    placeholder: "FILE",
    summary: "where the keys of known hosts are",
    otherwise: "~/.fleetctl/known_hosts",
    variable: "FLEETCTL_KNOWN_HOSTS_FILE",
    choices: { files: true },
  },
  {
    name: "debug",
    kind: "switch",
    summary: "tell each request and its answer on standard error",
    variable: "FLEETCTL_DEBUG",
  },
  ...[
    ["driver", "API"],
    ["etcd-key-prefix", "/_coreos.com/fleet/"],
    ["etcd-keyfile", ""],
    ["etcd-certfile", ""],
    ["etcd-cafile", ""],
  ].map(([name = "", otherwise = ""]) => accepted({ name, kind: "text", otherwise })),
  accepted({ name: "request-timeout", kind: "seconds" }),
  accepted({ name: "experimental-api", kind: "switch" }),
];

/** A flag of fleetctl v1.0.0 for the driver that spoke to etcd itself: taken, so that scripts go on. */
function accepted(flag: Pick<Flag, "name" | "kind" | "otherwise">): Flag {
  const variable = `FLEETCTL_${flag.name.toUpperCase().replaceAll("-", "_")}`;
  return { ...flag, summary: "of the etcd driver, which there is none of", variable, hidden: true };
}

/**
 * The same verb with its tunnel made first. What keeps a client from being made is told as fleetctl v1.0.0 tells it, and nothing
 * before it.
 */
export function tellingOfClient(command: Command, outside: Outside): Command {
  return {
    ...command,
    run: async (call) => {
      try {
        await makeTunnel(call, outside);
        return await command.run(call);
      } catch (error) {
        if (!isFault(error, "client")) throw error;
        call.stderr.write(`${error.message}\n`);
        return exitCodes.failed;
      }
    },
  };
}

/** Throws Fault `client`. */
async function makeTunnel(call: Call, outside: Outside): Promise<void> {
  checkDriver(textOf(call, "driver"));
  const tunnel = await tunnelOf(call, outside);
  try {
    await tunnel?.ready();
  } catch (error) {
    const why = `failed initializing SSH client: ${sentenceOf(error)}`;
    throw new Fault("client", `Unable to initialize client: ${why}`, { cause: error });
  }
}

/** Makes clients from the flags of a call. */
export function connectWith({ open, ssh }: Outside): Connect {
  return (call) => {
    checkDriver(textOf(call, "driver"));
    const [endpoint = "", ...others] = textOf(call, "endpoint").split(",");
    if (others.length > 0) {
      call.stderr.write(`WARNING: several endpoints are given; only the first one, ${endpoint}, is used.\n`);
    }
    const tls = {
      keyFile: textOf(call, "key-file"),
      certFile: textOf(call, "cert-file"),
      caFile: textOf(call, "ca-file"),
    };
    const host = tunnelHost(call);
    try {
      const direct = open(endpoint, tls);
      if (host === undefined) return new FleetClient(attended(call, direct));
      const through = async (): Promise<Transport> => {
        const tunnel = (await ssh()).tunnel(sshSettings(call), host);
        return open(endpoint, tls, (end) => tunnel.socketTo(end));
      };
      return new FleetClient(attended(call, whenNeeded(through)));
    } catch (error) {
      throw new Fault("client", `Unable to initialize client: ${sentenceOf(error)}`, { cause: error });
    }
  };
}

function checkDriver(driver: string): void {
  if (driver === "API") return;
  const why =
    driver === "etcd"
      ? "there is no etcd driver, because the registry is not kept in keys of etcd v2; leave --driver out and name an API with --endpoint"
      : `unrecognized driver "${driver}"`;
  throw new Fault("client", `Unable to initialize client: ${why}`);
}

/** A way that is opened at the first request. */
function whenNeeded(open: () => Promise<Transport>): Transport {
  let opened: Promise<Transport> | undefined;
  return async (...request) => {
    opened ??= open();
    return await (await opened)(...request);
  };
}

/** A way on which an interruption ends every request, and on which --debug tells of each. */
function attended(call: Call, transport: Transport): Transport {
  const debug = call.flags.on("debug");
  return async (method, path, body, signal = call.signal) => {
    const sinceMs = call.env.clock.monotonic();
    const answer = await transport(method, path, body, signal);
    const ms = Math.round(call.env.clock.monotonic() - sinceMs);
    if (debug) call.stderr.write(`DEBUG ${method} ${path}: ${answer.status} after ${ms} ms\n`);
    return answer;
  };
}

/** The far end of --tunnel; undefined without one. Throws Fault `client`. */
export function tunnelHost(call: Call): SshHost | undefined {
  const tunnel = textOf(call, "tunnel");
  if (tunnel === "") return undefined;
  const host = readSshHost(tunnel);
  if (host !== undefined) return host;
  throw new Fault(
    "client",
    `Unable to initialize client: the tunnel "${tunnel}" is not a host, or HOST:PORT with a port up to 65535`,
  );
}

/** How the flags of a call want ssh to be called. */
export function sshSettings(call: Call): SshSettings {
  // Without the variable ssh itself looks up whose home it is.
  const home = call.variables["HOME"] ?? "";
  const knownHosts = textOf(call, "known-hosts-file");
  return {
    user: textOf(call, "ssh-username"),
    timeoutMs: call.flags.milliseconds("ssh-timeout") ?? 10_000,
    strict: call.flags.on("strict-host-key-checking"),
    knownHosts: home === "" ? knownHosts : knownHosts.replace(/^~(?=\/)/, home),
  };
}

/** The tunnel of a call, if it has one. */
export async function tunnelOf(call: Call, { ssh }: Outside): Promise<Tunnel | undefined> {
  const host = tunnelHost(call);
  return host === undefined ? undefined : (await ssh()).tunnel(sshSettings(call), host);
}

function textOf(call: Call, name: string): string {
  return call.flags.text(name) ?? "";
}
