import type { KeysServerOptions } from "../argosy/etcd-command.ts";
import { clusterNamed } from "../keys/cluster.ts";
import type { Env } from "../lib/env.ts";
import { openEmbeddedStore } from "../store/embedded/embedded-store.ts";
import { serveKeys, type StoreBehindKeys } from "./keys-server.ts";
import { runDaemon } from "./run-daemon.ts";

// Apart from what an etcd needs, which takes longer to read than all that is here: `argosy etcd` over a folder serves at once.

/**
 * Serves the v2 keys of a store until the process is asked to stop, and says on standard output where. Returns the exit code.
 * @param open the store that the keys are in
 */
export async function serveInForegroundOver(
  options: Pick<KeysServerOptions, "listenOn" | "advertised">,
  open: (env: Env) => Promise<StoreBehindKeys>,
): Promise<number> {
  return await runDaemon("etcd", async (env, signal, daemon) => {
    const { listenOn, advertised } = options;
    const behind = await open(env);
    await serveKeys(env, signal, daemon, {
      behind,
      listenOn,
      advertised: advertised.length > 0 ? advertised : undefined,
      ready: (where) => {
        for (const address of where) process.stdout.write(`serves the v2 keys on ${address}\n`);
      },
    });
  });
}

/** The embedded store in a folder; `name` is that of its one member. */
export async function behindEmbedded(env: Env, folder: string, name: string): Promise<StoreBehindKeys> {
  const store = await openEmbeddedStore(folder, env);
  const cluster = clusterNamed(name, BigInt(store.names.memberId).toString(16));
  return {
    store,
    cluster: () => Promise.resolve(cluster),
    close: () => undefined,
  };
}
