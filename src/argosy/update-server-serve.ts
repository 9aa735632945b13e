import type { Command, Flag } from "../cli/command.ts";
import { osAppId, plainAppId } from "../update/omaha.ts";
import { hostAndPort, type HostAndPort } from "./etcd-command.ts";
import { ownStore, readSpec, type StoreSpec } from "./store-flags.ts";
import { webFolder } from "./update-records.ts";

/** What the update server is told by the command line. */
export interface UpdateServerOptions {
  readonly listenOn: readonly HostAndPort[];
  readonly store: StoreSpec;
  /** A folder with one folder for each version; undefined: this server has no files. */
  readonly images: string | undefined;
  /** Where machines find this server; undefined: as they asked. */
  readonly url: string | undefined;
  readonly appId: string;
}

/** Serves until the process is asked to stop, and returns its exit code. */
export type ServeUpdates = (options: UpdateServerOptions) => Promise<number>;

/** Which store the update server keeps its records in. */
export const updateStoreFlag: Flag = {
  name: "store",
  kind: "text",
  placeholder: "STORE",
  otherwise: ownStore,
  variable: "ARGOSY_UPDATE_STORE",
  summary: "where its records are: client addresses of the store, or embedded:DIR for a store of its own",
};

/** `argosy update-server serve`. */
export function updateServeCommand(serve: ServeUpdates): Command {
  return {
    name: "serve",
    summary: "Serve updates to machines in the foreground",
    usage: "",
    description:
      "Speaks CoreOS's Omaha protocol at /v1/update/, and serves the files of releases at /releases/VERSION/ and those of a " +
      "channel's release at /channels/NAME/ out of a folder with one folder for each version. Says on standard output where " +
      "it listens, logs to standard error, and runs until it gets SIGTERM or SIGINT. Several servers may share a store.",
    flags: [
      {
        name: "listen",
        kind: "text",
        placeholder: "HOST:PORT",
        repeated: true,
        summary: "where to listen, may be given several times; without it 127.0.0.1:8088",
      },
      updateStoreFlag,
      {
        name: "images",
        kind: "text",
        placeholder: "DIR",
        summary:
          "a folder with one folder for each version; without it machines fetch from the releases' own addresses",
      },
      {
        name: "url",
        kind: "text",
        placeholder: "URL",
        summary: "where machines find this server, when that is not how they ask for it",
      },
      {
        name: "app-id",
        kind: "text",
        placeholder: "GUID",
        otherwise: osAppId,
        summary: "the product that is served",
      },
    ],
    arity: { least: 0, most: 0 },
    examples: [
      {
        line: "argosy update-server serve --listen 10.0.0.5:8088 --images /srv/images",
        meaning: "for the machines of a network, with SERVER=http://10.0.0.5:8088/v1/update/",
      },
    ],
    run: async ({ flags }) => {
      const listen = flags.all("listen");
      const url = flags.text("url");
      return await serve({
        listenOn: (listen.length === 0 ? ["127.0.0.1:8088"] : listen).map((text) =>
          hostAndPort(text, "--listen"),
        ),
        store: readSpec(flags.text("store") ?? ownStore),
        images: flags.text("images"),
        url: url === undefined ? undefined : webFolder(url),
        appId: plainAppId(flags.text("app-id") ?? osAppId),
      });
    },
  };
}
