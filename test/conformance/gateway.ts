import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { realEnv } from "../../src/daemon/real-env.ts";
import { createLog } from "../../src/daemon/journal-log.ts";
import { clusterOfOne } from "../../src/keys/cluster.ts";
import { openLocalKeyspace } from "../../src/keys/local-keyspace.ts";
import { KeysApi } from "../../src/keys/server.ts";
import { openMemoryStore } from "../../src/store/memory.ts";

/** The keys API of one gateway over a new store in memory. */
export interface Gateway extends AsyncDisposable {
  readonly origin: string;
}

/** Starts a gateway on a free port of this machine. */
export async function startGateway(): Promise<Gateway> {
  const log = createLog("words", "warning", (line) => void process.stderr.write(line));
  const env = realEnv(log);
  const end = new AbortController();
  const keyspace = openLocalKeyspace(env, openMemoryStore(env), end.signal);
  const surroundings = {
    clientUrls: ["http://127.0.0.1:4001"],
    cluster: () => Promise.resolve(clusterOfOne),
    processFacts: () => ({ commandLine: process.argv, residentBytes: 0, heapBytes: 0 }),
    setLogLevel: () => undefined,
  };
  const server = new KeysApi(env, keyspace, surroundings, end.signal).createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      end.abort(new Error("the replay is over"));
      server.close();
      server.closeAllConnections();
      await keyspace.ended;
    },
  };
}
