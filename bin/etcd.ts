#!/usr/bin/env node
import { etcdProgram } from "../src/argosy/etcd-command.ts";
import { main } from "../src/cli/main.ts";
import { behindEmbedded, serveInForegroundOver } from "../src/daemon/embedded-foreground.ts";

/** `argosy etcd` alone: reading all commands and all daemons takes longer than everything it does until it serves. */
await main(
  etcdProgram(async (options) => {
    const { store, name } = options;
    if (store.kind === "embedded")
      return await serveInForegroundOver(options, (env) => behindEmbedded(env, store.folder, name));
    return await (await import("./daemons.ts")).serveKeys(options);
  }),
);
