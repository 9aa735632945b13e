import { randomBytes } from "node:crypto";
import type { Server } from "node:http";
import type { DiscoveryServiceOptions } from "../argosy/discovery-serve.ts";
import { DiscoveryServer } from "../keys/discovery-server.ts";
import { openLocalKeyspace } from "../keys/local-keyspace.ts";
import { KeysApi } from "../keys/server.ts";
import { Fault } from "../lib/fault.ts";
import { storeBehind } from "./etcd-foreground.ts";
import { aborted, closeServer, httpAddressOf, processFacts } from "./keys-server.ts";
import type { LogLevel } from "./journal-log.ts";
import { listen } from "./listen-sockets.ts";
import { runDaemon } from "./run-daemon.ts";

/** The program of `argosy discovery serve`. Returns its exit code. */
export async function serveInForeground(options: DiscoveryServiceOptions): Promise<number> {
  return await runDaemon("discovery", async (env, signal, daemon) => {
    const behind = await storeBehind(env, options.store, "discovery");
    const ending = new AbortController();
    const keyspace = openLocalKeyspace(env, behind.store, ending.signal);
    const { cluster } = behind;
    const surroundings = {
      clientUrls: [],
      cluster,
      processFacts,
      setLogLevel: (level: LogLevel) => daemon.setLogLevel(level),
    };
    const keys = new KeysApi(env, keyspace, surroundings, signal);
    const discovery = new DiscoveryServer(env, keyspace, keys, {
      tokenTtlMs: options.tokenTtlMs,
      url: options.url,
      newToken: () => randomBytes(16).toString("hex"),
    });
    const servers: Server[] = [];
    try {
      for (const address of options.listenOn) {
        const server = discovery.createServer();
        await listen(server, address);
        servers.push(server);
        for (const url of httpAddressOf(server)) process.stdout.write(`serves discovery tokens on ${url}\n`);
      }
      await aborted(signal);
    } finally {
      await Promise.all(servers.map((server) => closeServer(env, server)));
      ending.abort(new Fault("ending", "discovery ends"));
      await keyspace.ended;
      behind.close();
      await behind.store.close();
    }
  });
}
