import type { Command, CommandGroup, Flag } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";

/** What the server of the v2 keys is told by the command line. */
export interface KeysServerOptions {
  readonly store: KeysServerStore;
  /** At least one. */
  readonly listenOn: readonly HostAndPort[];
  /** What `/v2/machines` tells clients; empty: the addresses that are listened on. */
  readonly advertised: readonly string[];
  /** What the one member of an embedded store is called. */
  readonly name: string;
}

export type KeysServerStore =
  | { readonly kind: "embedded"; readonly folder: string }
  | { readonly kind: "etcd"; readonly endpoints: readonly string[] };

export interface HostAndPort {
  /** Without brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Serves until the process is asked to stop, and returns its exit code. */
export type ServeKeys = (options: KeysServerOptions) => Promise<number>;

const flags: readonly Flag[] = [
  {
    name: "data-dir",
    kind: "text",
    placeholder: "DIR",
    summary: "Folder of the embedded store; made when it is not there",
  },
  {
    name: "listen-client",
    kind: "text",
    placeholder: "HOST:PORT",
    repeated: true,
    summary: "Where to listen, may be given several times; without it 127.0.0.1:4001",
  },
  {
    name: "advertise-client",
    kind: "text",
    placeholder: "URL",
    repeated: true,
    summary: "What /v2/machines tells clients; without it where the server listens",
  },
  {
    name: "store",
    kind: "text",
    placeholder: "embedded|etcd",
    otherwise: "embedded",
    summary: "Keep the keys in --data-dir, or in the etcd v3 cluster at --endpoints",
  },
  {
    name: "endpoints",
    kind: "text",
    placeholder: "URLS",
    summary: "With --store etcd: client addresses of its members, with commas between",
  },
  {
    name: "name",
    kind: "text",
    placeholder: "NAME",
    otherwise: "default",
    summary: "With the embedded store: what its one member is called in /v2/members",
  },
];

/** `argosy etcd`: the v2 keys API in the foreground, without any set-up. */
export function etcdCommand(serve: ServeKeys): Command {
  return {
    name: "etcd",
    summary: "Serve the v2 keys API in the foreground, without any set-up",
    usage: "",
    description:
      "Needs no root, no settings and no etcd: the keys are kept in a folder. Says on standard output where it " +
      "listens as soon as it does, logs to standard error, and runs until it gets SIGTERM or SIGINT.",
    flags,
    arity: { least: 0, most: 0 },
    examples: [
      {
        line: "argosy etcd --data-dir /tmp/keys --listen-client 127.0.0.1:2379",
        meaning: "an etcd of its own for a test",
      },
      {
        line: "argosy etcd --store etcd --endpoints http://10.0.0.11:2379 --listen-client 127.0.0.1:4001",
        meaning: "a gateway of v2 to an etcd v3",
      },
    ],
    async run({ flags: given }) {
      const listenOn = given.all("listen-client").map((text) => hostAndPort(text, "--listen-client"));
      const options: KeysServerOptions = {
        store: storeOf(given.text("store"), given.text("data-dir"), given.text("endpoints")),
        listenOn: listenOn.length > 0 ? listenOn : [hostAndPort("127.0.0.1:4001", "--listen-client")],
        advertised: given.all("advertise-client").map(clientUrl),
        name: given.text("name") ?? "default",
      };
      // Handles that outlive the server's end, such as kept connections, must not keep its process.
      process.exit(await serve(options));
    },
  };
}

/** `argosy` with this command alone: reading all others takes longer than the server may until it serves. */
export function etcdProgram(serve: ServeKeys): CommandGroup {
  return {
    name: "argosy",
    summary: "A cluster of Linux machines that acts as one",
    description: "The command etcd; argosy help tells of all others.",
    commands: [etcdCommand(serve)],
  };
}

/** The store that flags name. Throws Fault `bad-flags`. */
export function storeOf(
  kind: string | undefined,
  folder: string | undefined,
  endpoints: string | undefined,
): KeysServerStore {
  if (kind === "embedded") {
    if (endpoints !== undefined)
      throw new Fault("bad-flags", "--endpoints are of an etcd: give --store etcd as well");
    if (folder === undefined || folder === "")
      throw new Fault("bad-flags", "the embedded store needs a folder: give --data-dir DIR");
    return { kind, folder };
  }
  if (kind !== "etcd")
    throw new Fault("bad-flags", `there is no store "${kind ?? ""}": --store is embedded or etcd`);
  if (folder !== undefined)
    throw new Fault("bad-flags", "--data-dir is of the embedded store: leave it out with --store etcd");
  const list = (endpoints ?? "").split(",").map((endpoint) => endpoint.trim());
  const wrong = list.find((endpoint) => !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ""));
  if (wrong !== undefined) {
    throw new Fault(
      "bad-flags",
      `--store etcd needs the client addresses of its members, not "${wrong}": give --endpoints http://127.0.0.1:2379`,
    );
  }
  return { kind, endpoints: list };
}

/**
 * `HOST:PORT`, an IPv6 address in brackets; also as a whole http address, as etcd takes it. Throws Fault `bad-flags`.
 * @param flag that has the text, for the message
 */
export function hostAndPort(text: string, flag: string): HostAndPort {
  const [, inBrackets, plain, digits] =
    /^(?:http:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})\/?$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new Fault(
      "bad-flags",
      `cannot listen on "${text}": ${flag} is HOST:PORT, such as 127.0.0.1:4001 or [::1]:4001`,
    );
  }
  return { host, port };
}

function clientUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Fault(
      "bad-flags",
      `cannot advertise "${text}": --advertise-client is an address such as http://10.0.0.11:4001`,
    );
  }
  return text.replace(/\/$/, "");
}
