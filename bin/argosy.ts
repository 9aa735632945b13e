#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { basename } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { DiscoveryServiceOptions } from "../src/argosy/discovery-serve.ts";
import type { FleetLockOptions } from "../src/argosy/fleetlock.ts";
import type { KeysServerOptions } from "../src/argosy/etcd-command.ts";
import type { OpenMembership } from "../src/argosy/member-flags.ts";
import type { StoreSpec } from "../src/argosy/store-flags.ts";
import type { UpdateServerOptions } from "../src/argosy/update-server-serve.ts";
import type { UpdateEngineAccess } from "../src/argosy/update-engine-access.ts";
import type { CommandGroup } from "../src/cli/command.ts";
import type { Env } from "../src/lib/env.ts";
import type { Store } from "../src/store/store.ts";

/**
 * The one program behind every name. The launchers in /usr/bin pass the name they were called by as the first word; a
 * link to this file may carry it as its own name. A command's code is loaded only when it is called, because what is
 * not loaded costs no time to start.
 */
// In a checkout this runs as written, and taking the types out again at every start takes most of its time. Not in the
// folder for temporary files, where others could lay something else in its place.
const compiled = fileURLToPath(new URL("../node_modules/.cache/argosy", import.meta.url));
if (import.meta.url.endsWith(".ts")) enableCompileCache(compiled);

const called = basename(process.argv[1] ?? "").replace(/\.(ts|mjs)$/, "");
const words = wordsOf(called === "argosy" ? process.argv.slice(2) : [called, ...process.argv.slice(2)]);

if (words[0] === "fleetctl") {
  const { fleetctl } = await import("../src/fleetctl/main.ts");
  await runHere(fleetctl, words.slice(1));
} else if (words[0] === "etcdctl") {
  const { etcdctl } = await import("../src/etcdctl/main.ts");
  await runHere(etcdctl, words.slice(1));
} else if (words[0] === "locksmithctl") {
  const { locksmithctl } = await import("../src/locksmithctl/main.ts");
  await runHere(locksmithctl, words.slice(1));
} else if (words[0] === "etcd") {
  // For the store's thread, which only this tells.
  if (import.meta.url.endsWith(".ts")) process.env.NODE_COMPILE_CACHE ??= compiled;
  const { etcdProgram } = await import("../src/argosy/etcd-command.ts");
  await runHere(etcdProgram(serveKeys), words);
} else if (words[0] === "fleetd") {
  const { fleetd } = await import("../src/argosy/fleetd.ts");
  process.exitCode = await fleetd(words.slice(1), runFleet);
} else if (words[0] === "locksmithd") {
  const { locksmithd } = await import("../src/argosy/locksmithd.ts");
  process.exitCode = await locksmithd(words.slice(1), runLocksmith);
} else if (words[0] === "coreos-cloudinit") {
  const { cloudinitProgram } = await import("../src/argosy/coreos-cloudinit.ts");
  await runHere(cloudinitProgram, words);
} else {
  const { argosyProgram } = await import("../src/argosy/program.ts");
  await runHere(
    argosyProgram(
      { fleet: runFleet, etcd: runKeysApi, locksmith: runLocksmith, "update-engine": runUpdateEngine },
      {
        serveKeys,
        serveDiscovery,
        serveFleetLock,
        connectMembers,
        openStore,
        openUpdateEngine,
        serveUpdates,
      },
    ),
    words,
  );
}

/** `argosy __complete -- fleetctl ...`, which shells ask at a Tab, is for the program that the words begin with. */
function wordsOf(given: readonly string[]): readonly string[] {
  // The server is what its name says, unless something else is asked of it.
  const [first, next = "-"] = given;
  if (first === "update-server" && next.startsWith("-") && !/^--?h(elp)?$/.test(next))
    return [first, "serve", ...given.slice(1)];
  const [ask, dashes, program = "", ...rest] = given;
  if (ask !== "__complete" || dashes !== "--" || rest.length === 0) return given;
  return ["fleetctl", "etcdctl", "locksmithctl"].includes(program) ? [program, ask, dashes, ...rest] : given;
}

async function runHere(program: CommandGroup, itsWords: readonly string[]): Promise<void> {
  const { main } = await import("../src/cli/main.ts");
  process.argv.splice(2, Number.POSITIVE_INFINITY, ...itsWords);
  await main(program);
  // Connections to machines without power would keep the process for a minute; what was printed goes out first.
  process.stdout.write("", () => process.stderr.write("", () => process.exit()));
}

async function runFleet(settingsPath?: string): Promise<number> {
  return await (await import("./daemons.ts")).daemons.fleet(settingsPath);
}

async function runLocksmith(): Promise<number> {
  return await (await import("./daemons.ts")).daemons.locksmith();
}

async function runKeysApi(): Promise<number> {
  return await (await import("./daemons.ts")).daemons.etcd();
}

async function runUpdateEngine(): Promise<number> {
  return await (await import("./daemons.ts")).daemons["update-engine"]();
}

async function serveUpdates(options: UpdateServerOptions): Promise<number> {
  return await (await import("./daemons.ts")).serveUpdates(options);
}

async function openUpdateEngine(env: Env): Promise<UpdateEngineAccess> {
  return await (await import("./daemons.ts")).openUpdateEngine(env);
}

async function serveKeys(options: KeysServerOptions): Promise<number> {
  return await (await import("./daemons.ts")).serveKeys(options);
}

async function serveDiscovery(options: DiscoveryServiceOptions): Promise<number> {
  return await (await import("./daemons.ts")).serveDiscovery(options);
}

async function serveFleetLock(options: FleetLockOptions): Promise<number> {
  return await (await import("./daemons.ts")).serveFleetLock(options);
}

async function connectMembers(env: Env, endpoints: readonly string[]): Promise<OpenMembership> {
  return await (await import("./daemons.ts")).connectMembers(env, endpoints);
}

async function openStore(env: Env, spec: StoreSpec): Promise<Store> {
  return await (await import("./daemons.ts")).openStore(env, spec);
}
