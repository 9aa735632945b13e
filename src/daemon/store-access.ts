import type { OpenStore } from "../argosy/store-flags.ts";
import { openEmbeddedStore } from "../store/embedded/embedded-store.ts";
import { openEtcdStore } from "../store/etcd/etcd-store.ts";

/** Opens whichever store is named, for commands. */
export const openStore: OpenStore = async (env, spec) =>
  spec.kind === "embedded"
    ? await openEmbeddedStore(spec.folder, env)
    : openEtcdStore(env, { endpoints: spec.endpoints });
