import type { Call, Flag } from "../cli/command.ts";
import { ClusterClient, ClusterUnavailable, type ClientTransport } from "../keys/client.ts";
import { MembersClient } from "../keys/client-members.ts";
import { isFault } from "../lib/fault.ts";
import { exits, Outcome } from "./outcome.ts";

/** What etcdctl needs of the world besides its surroundings; the edge gives the real thing. */
export interface Outside {
  /** Throws Fault `file-unreadable` for the files of TLS. */
  transport(tls: {
    readonly keyFile: string;
    readonly certFile: string;
    readonly caFile: string;
    /** What the servers' certificates have to be for; empty: each for the host of its address. */
    readonly serverName: string;
  }): ClientTransport;
  /** The targets of a DNS SRV name, as `HOST:PORT`; throws when there is none. */
  findService(name: string): Promise<readonly string[]>;
  /** Prints a prompt and reads one line without showing it. */
  askSecret(prompt: string, call: Call): Promise<string>;
  /** Starts a program whose output is ours; resolves when it runs. Throws Fault `cannot-start`. */
  startProgram(
    words: readonly string[],
    variables: Readonly<Record<string, string | undefined>>,
  ): Promise<void>;
}

/** Gives a verb its client, which by then knows the members of the cluster. */
export type Connect = (call: Call, options?: ConnectOptions) => Promise<ClusterClient>;

export interface ConnectOptions {
  /** Learn the members' addresses first. */
  readonly sync: boolean;
  /** `--total-timeout` is for each request, in commands that make as many as there is to do. */
  readonly eachAlone?: boolean;
}

/** Where etcd, and Argosy's own service, listen. */
const defaultEndpoints = "http://127.0.0.1:2379,http://127.0.0.1:4001";

/** Flags that every command of etcdctl has, as in etcdctl 3.4 with ETCDCTL_API=2. */
export const globalFlags: readonly Flag[] = [
  { name: "debug", kind: "switch", summary: "tell each request on standard error, as a curl command" },
  {
    name: "no-sync",
    kind: "switch",
    summary: "use the endpoints as given, without asking for the members first",
  },
  {
    name: "output",
    short: "o",
    kind: "text",
    placeholder: "FORMAT",
    summary: "simple, extended or json",
    otherwise: "simple",
  },
  {
    name: "discovery-srv",
    short: "D",
    kind: "text",
    placeholder: "DOMAIN",
    summary: "find the endpoints by DNS SRV records of this domain",
    variable: "ETCDCTL_DISCOVERY_SRV",
  },
  {
    name: "insecure-discovery",
    kind: "switch",
    summary: "also use http endpoints that DNS tells of",
    variable: "ETCDCTL_INSECURE_DISCOVERY",
  },
  {
    name: "endpoints",
    kind: "text",
    placeholder: "URL,...",
    summary: `the servers to ask, the first that answers counts (default ${defaultEndpoints})`,
    variable: "ETCDCTL_ENDPOINTS",
  },
  {
    name: "endpoint",
    kind: "text",
    placeholder: "URL,...",
    summary: "older name of --endpoints",
    variable: "ETCDCTL_ENDPOINT",
  },
  {
    name: "peers",
    short: "C",
    kind: "text",
    placeholder: "URL,...",
    summary: "oldest name of --endpoints",
    variable: "ETCDCTL_PEERS",
  },
  { name: "cert-file", kind: "text", summary: "client certificate", variable: "ETCDCTL_CERT_FILE" },
  { name: "key-file", kind: "text", summary: "key of the client certificate", variable: "ETCDCTL_KEY_FILE" },
  {
    name: "ca-file",
    kind: "text",
    summary: "authority of the servers' certificates",
    variable: "ETCDCTL_CA_FILE",
  },
  {
    name: "username",
    short: "u",
    kind: "text",
    placeholder: "NAME[:PASSWORD]",
    summary: "who asks; the password is asked for when it is not given",
    variable: "ETCDCTL_USERNAME",
  },
  {
    name: "timeout",
    kind: "seconds",
    summary: "wait so long for one server to begin its answer",
    otherwise: "2s",
  },
  {
    name: "total-timeout",
    kind: "seconds",
    summary: "wait so long for the whole command; watches wait for ever",
    otherwise: "5s",
  },
];

/** Makes clients from the flags of a call. */
export function connectWith(outside: Outside): Connect {
  return async (call, { sync, eachAlone = false } = { sync: true }) => {
    checkApiVersion(call);
    const endpoints = shuffled(await endpointsOf(call, outside), call.env.random);
    const begin = call.env.clock.monotonic();
    const totalMs = call.flags.milliseconds("total-timeout") ?? 0;
    const debug = call.flags.on("debug");
    const note = (line: string): void => {
      if (debug) call.stderr.write(`${line}\n`);
    };
    const client = new ClusterClient({
      transport: openTransport(call, outside),
      endpoints,
      authorization: await authorizationOf(call, outside),
      headLimitMs: call.flags.milliseconds("timeout") ?? 0,
      leftMs: () => (eachAlone ? totalMs : totalMs - (call.env.clock.monotonic() - begin)),
      onRequest: (curl) => note(`cURL Command: ${curl}`),
      signal: call.signal,
    });
    if (sync && !call.flags.on("no-sync")) {
      note(`start to sync cluster using endpoints(${client.endpoints.join(",")})`);
      await learnMembers(call, client);
      note(`got endpoints(${client.endpoints.join(",")}) after sync`);
    }
    note(`Cluster-Endpoints: ${client.endpoints.join(", ")}`);
    return client;
  };
}

function checkApiVersion(call: Call): void {
  const version = call.variables.ETCDCTL_API ?? "";
  if (version === "" || version === "2") return;
  const advice = version === "3" ? ": this etcdctl speaks version 2; the one of etcd-client speaks both" : "";
  throw new Outcome(exits.failed, `unsupported API version ${version}${advice}`);
}

async function endpointsOf(call: Call, outside: Outside): Promise<readonly string[]> {
  const domain = call.flags.text("discovery-srv") ?? "";
  if (domain !== "") return await discover(call, domain, outside);
  const source = ["endpoints", "endpoint", "peers"].find((name) => (call.flags.text(name) ?? "") !== "");
  const text = source === undefined ? defaultEndpoints : (call.flags.text(source) ?? "");
  return text.split(",").map((endpoint) => (endpoint.includes("://") ? endpoint : `http://${endpoint}`));
}

/** The endpoints that DNS tells of: those of `_etcd-client-ssl._tcp` first. */
async function discover(call: Call, domain: string, outside: Outside): Promise<readonly string[]> {
  const problems: string[] = [];
  const find = async (service: string, scheme: string): Promise<readonly string[]> => {
    try {
      return (await outside.findService(`${service}.${domain}`)).map((target) => `${scheme}://${target}`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return [];
    }
  };
  const secure = await find("_etcd-client-ssl._tcp", "https");
  const plain = await find("_etcd-client._tcp", "http");
  if (problems.length === 2) throw new Outcome(exits.failed, `dns lookup errors: ${problems.join(" and ")}`);
  if (call.flags.on("insecure-discovery")) return [...secure, ...plain];
  for (const endpoint of plain) {
    call.stderr.write(`ignoring discovered insecure endpoint "${endpoint}"\n`);
  }
  return secure;
}

function openTransport(call: Call, outside: Outside): ClientTransport {
  const text = (name: string): string => call.flags.text(name) ?? "";
  try {
    return outside.transport({
      keyFile: text("key-file"),
      certFile: text("cert-file"),
      caFile: text("ca-file"),
      // Names that DNS gives can be anybody's: with etcd it is the domain itself that the certificates have to be for.
      serverName: text("discovery-srv"),
    });
  } catch (error) {
    if (!isFault(error)) throw error;
    throw new Outcome(exits.failed, error.message);
  }
}

async function authorizationOf(call: Call, outside: Outside): Promise<string> {
  const given = call.flags.text("username") ?? "";
  if (given === "") return "";
  const colon = given.indexOf(":");
  const name = colon < 0 ? given : given.slice(0, colon);
  const password = colon < 0 ? await outside.askSecret("Password: ", call) : given.slice(colon + 1);
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * Replaces the endpoints by what the members tell of themselves. Servers that know keys but no members, as older
 * releases of Argosy, are used as they were given.
 */
async function learnMembers(call: Call, client: ClusterClient): Promise<void> {
  const given = client.endpoints;
  try {
    const members = await new MembersClient(client).list();
    const urls = [...new Set(members.flatMap(({ clientURLs }) => clientURLs))];
    if (urls.length === 0) {
      call.stderr.write("etcd cluster has no published client endpoints.\n");
      call.stderr.write(
        `Try '--no-sync' if you want to access non-published client endpoints(${given.join(",")}).\n`,
      );
      throw new Outcome(exits.server, "client: no endpoints available", "keys");
    }
    client.use(shuffled(urls, call.env.random));
  } catch (error) {
    if (!isFault(error) || error instanceof Outcome) throw error;
    if (error instanceof ClusterUnavailable && error.withoutV2) return;
    const unconnected = error instanceof ClusterUnavailable && error.unconnected;
    throw new Outcome(unconnected ? exits.connection : exits.server, error, "keys");
  }
}

/** In an order that chance chose, so that many clients spread over the servers. */
function shuffled(endpoints: readonly string[], random: () => number): readonly string[] {
  return endpoints
    .map((endpoint) => ({ endpoint, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ endpoint }) => endpoint);
}
