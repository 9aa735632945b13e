import type { Command, Flag } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";
import { hostAndPort, type HostAndPort, storeOf, type KeysServerStore } from "./etcd-command.ts";

/** What the discovery service is told by the command line. */
export interface DiscoveryServiceOptions {
  readonly store: KeysServerStore;
  readonly listenOn: readonly HostAndPort[];
  /** What the addresses of tokens begin with; undefined: what clients have asked. */
  readonly url: string | undefined;
  readonly tokenTtlMs: number;
}

/** Serves until the process is asked to stop, and returns its exit code. */
export type ServeDiscovery = (options: DiscoveryServiceOptions) => Promise<number>;

const flags: readonly Flag[] = [
  {
    name: "listen",
    kind: "text",
    placeholder: "HOST:PORT",
    repeated: true,
    summary: "where to listen, may be given several times; without it 127.0.0.1:8087",
  },
  { name: "data-dir", kind: "text", placeholder: "DIR", summary: "keep the tokens in this folder" },
  {
    name: "endpoints",
    kind: "text",
    placeholder: "URLS",
    summary: "keep the tokens in the etcd v3 cluster with these client addresses instead",
  },
  {
    name: "url",
    kind: "text",
    placeholder: "URL",
    summary: "what the addresses of tokens begin with; without it the address that was asked",
  },
  {
    name: "token-ttl",
    kind: "seconds",
    placeholder: "TIME",
    otherwise: "168h",
    summary: "how long a token is kept after it was made",
  },
];

/** `argosy discovery serve`. */
export function discoveryServeCommand(serve: ServeDiscovery): Command {
  return {
    name: "serve",
    summary: "Serve discovery tokens in the foreground",
    usage: "",
    description:
      "Speaks the protocol of discovery.etcd.io: GET /new?size=N makes a token, and machines register below it. The " +
      "service is needed only while a cluster comes into being. Says on standard output where it listens, logs to " +
      "standard error, and runs until it gets SIGTERM or SIGINT.",
    flags,
    arity: { least: 0, most: 0 },
    examples: [
      {
        line: "argosy discovery serve --listen 10.0.0.5:8087 --data-dir /var/lib/argosy/discovery",
        meaning: "a service for the machines of a network",
      },
    ],
    async run({ flags: given }) {
      const [folder, endpoints] = [given.text("data-dir"), given.text("endpoints")];
      if (folder !== undefined && endpoints !== undefined)
        throw new Fault(
          "bad-flags",
          "tokens are kept in one place: give --data-dir or --endpoints, not both",
        );
      const listenOn = given.all("listen").map((text) => hostAndPort(text, "--listen"));
      const ttlMs = given.milliseconds("token-ttl") ?? 0;
      if (ttlMs < 1000)
        throw new Fault(
          "bad-flags",
          "a token is kept for at least a second: --token-ttl is a time such as 168h",
        );
      const options: DiscoveryServiceOptions = {
        store: storeOf(endpoints === undefined ? "embedded" : "etcd", folder, endpoints),
        listenOn: listenOn.length > 0 ? listenOn : [hostAndPort("127.0.0.1:8087", "--listen")],
        url: publicUrl(given.text("url")),
        tokenTtlMs: ttlMs,
      };
      // Handles that outlive the server's end, such as kept connections, must not keep its process.
      process.exit(await serve(options));
    },
  };
}

function publicUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? "")) return text.replace(/\/+$/, "");
  throw new Fault("bad-flags", `"${text}" is no address: --url is one such as https://discovery.example.com`);
}
