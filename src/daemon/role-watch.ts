import { watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Env } from "../lib/env.ts";
import { sentenceOf } from "../lib/fault.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { readTlsFiles } from "./etcd-tls.ts";
import { readRole } from "./member-machine.ts";

/**
 * Calls `changed` with the endpoints of the store, and the files for those that are https, that this machine remembers, now if it remembers any, and again each
 * time etcd.service has learnt of others, until the signal is aborted. Resolves after the first look.
 * @param path of the remembered role
 */
export async function followRole(
  env: Env,
  path: string,
  signal: AbortSignal,
  changed: (endpoints: readonly string[], tls: EtcdTls | undefined) => void,
): Promise<void> {
  const look = async (): Promise<void> => {
    try {
      const role = await readRole(path);
      if (role === undefined || role.endpoints.length === 0) return;
      const tls = await readTlsFiles(role.tls);
      if (!signal.aborted) changed(role.endpoints, tls);
    } catch (error) {
      env.log.warning(`keeps to the members that it knows: ${sentenceOf(error)}`);
    }
  };
  await mkdir(dirname(path), { recursive: true });
  // The file is replaced as a whole, so it is its folder that tells.
  const watcher = watch(dirname(path), (_, name) => {
    if (name === basename(path)) void look();
  });
  watcher.on("error", (error) => env.log.warning(`cannot watch ${dirname(path)}: ${error.message}`));
  signal.addEventListener("abort", () => watcher.close(), { once: true });
  await look();
}
