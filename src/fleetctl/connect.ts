import { type Call, type Command, exitCodes, type Flag } from "../cli/command.ts";
import { FleetClient, type Transport } from "../fleet/api-client.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";

/** Opens the way to an endpoint; the edge gives sockets, tests give the API itself. */
export type OpenTransport = (
  endpoint: string,
  tls: { readonly keyFile: string; readonly certFile: string; readonly caFile: string },
) => Transport;

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
    summary: "key of the client certificate",
    otherwise: "",
    variable: "FLEETCTL_KEY_FILE",
  },
  {
    name: "cert-file",
    kind: "text",
    summary: "client certificate",
    otherwise: "",
    variable: "FLEETCTL_CERT_FILE",
  },
  {
    name: "ca-file",
    kind: "text",
    summary: "authority of the server's certificate",
    otherwise: "",
    variable: "FLEETCTL_CA_FILE",
  },
  {
    name: "driver",
    kind: "text",
    summary: "only API",
    otherwise: "API",
    variable: "FLEETCTL_DRIVER",
    hidden: true,
  },
  {
    name: "request-timeout",
    kind: "seconds",
    summary: "of the etcd driver, which there is none of",
    variable: "FLEETCTL_REQUEST_TIMEOUT",
    hidden: true,
  },
  {
    name: "tunnel",
    kind: "text",
    summary: "refused: there is no SSH",
    otherwise: "",
    variable: "FLEETCTL_TUNNEL",
    hidden: true,
  },
  { name: "debug", kind: "switch", summary: "without effect", variable: "FLEETCTL_DEBUG", hidden: true },
  ...["ssh-username", "ssh-timeout", "known-hosts-file", "etcd-key-prefix"].map(
    (name): Flag => ({ name, kind: "text", summary: "without effect", hidden: true }),
  ),
  { name: "strict-host-key-checking", kind: "switch", summary: "without effect", hidden: true },
  { name: "experimental-api", kind: "switch", summary: "always so", hidden: true },
];

/** The same verb, but what keeps a client from being made is told as fleetctl v1.0.0 tells it, and nothing before it. */
export function tellingOfClient(command: Command): Command {
  return {
    ...command,
    run: async (call) => {
      try {
        return await command.run(call);
      } catch (error) {
        if (!isFault(error, "client")) throw error;
        call.stderr.write(`${error.message}\n`);
        return exitCodes.failed;
      }
    },
  };
}

/** Makes clients from the flags of a call. */
export function connectWith(open: OpenTransport): Connect {
  return (call) => {
    const text = (name: string): string => call.flags.text(name) ?? "";
    const driver = text("driver");
    if (driver !== "API") {
      throw new Fault(
        "client",
        `Unable to initialize client: unrecognized driver "${driver}"; the only one is API`,
      );
    }
    const tunnel = text("tunnel");
    if (tunnel !== "") {
      throw new Fault(
        "client",
        `Unable to initialize client: there is no tunnel to ${tunnel}; forward a port or a socket with ssh -L and name it with --endpoint`,
      );
    }
    const [endpoint = "", ...others] = text("endpoint").split(",");
    if (others.length > 0) {
      call.stderr.write(`WARNING: several endpoints are given; only the first one, ${endpoint}, is used.\n`);
    }
    const tls = { keyFile: text("key-file"), certFile: text("cert-file"), caFile: text("ca-file") };
    try {
      const transport = open(endpoint, tls);
      // Whoever interrupts a command waits for no answer, whichever it is.
      return new FleetClient((method, path, body, signal = call.signal) =>
        transport(method, path, body, signal),
      );
    } catch (error) {
      throw new Fault("client", `Unable to initialize client: ${sentenceOf(error)}`, { cause: error });
    }
  };
}
