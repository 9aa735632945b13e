import { execFile } from "node:child_process";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { environmentText, type EtcdVariables } from "../membership/environment.ts";
import type { MemberMachine, RoleRecord } from "../membership/machine.ts";
import { clientTlsFiles, modernSettings } from "../membership/old-settings.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** Where a machine remembers its part in the cluster. */
export const memberFolder = "/var/lib/argosy/member";
export const roleFile = `${memberFolder}/role.json`;
/** etcd-member.service starts only where this file is, and reads it. */
const environmentFile = `${memberFolder}/environment`;

/** Read by etcd.service and etcd-member.service. */
const settingsFile = "/etc/argosy/etcd-member.env";

const usualDataFolder = "/var/lib/etcd-member";
const unit = "etcd-member.service";
/** How long systemd may take to carry out a job; stopping etcd takes at most 20 s. */
const systemctlLimitMs = 60_000;

/** The real machine. */
export function realMemberMachine(facts: {
  readonly id: string;
  readonly address: string;
  readonly storeEndpoints: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}): MemberMachine {
  const original = etcdVariables(facts.environment);
  const { variables: given } = modernSettings(original, facts.address);
  const dataFolder = given["ETCD_DATA_DIR"] ?? usualDataFolder;
  return {
    id: facts.id,
    name: hostname(),
    address: facts.address,
    given,
    original,
    tls: clientTlsFiles(given),
    storeEndpoints: facts.storeEndpoints,
    remembered: async () => await readRole(roleFile),
    remember: async (record) =>
      await replaceFile(roleFile, `${JSON.stringify({ format: 1, ...record }, null, 2)}\n`),
    // As etcd itself sees it: folders are there as soon as it starts, the log only once it has its cluster.
    hasData: async () => await isThere(given["ETCD_WAL_DIR"] ?? join(dataFolder, "member", "wal")),
    async startEtcd(variables) {
      const text = await memberText(given, variables);
      if (given["ETCD_DATA_DIR"] !== undefined) await makeDataFolder(given["ETCD_DATA_DIR"]);
      const before = await readFile(environmentFile, "utf8").catch(() => undefined);
      if (before !== text) await replaceFile(environmentFile, text);
      await systemctl("start", unit);
    },
    async alignEtcd(variables) {
      const before = await readFile(environmentFile, "utf8").catch(() => undefined);
      if (before !== (await memberText(given, variables))) await this.restartEtcd(variables);
    },
    async restartEtcd(variables) {
      await replaceFile(environmentFile, await memberText(given, variables));
      await systemctl("restart", unit);
    },
    async stopEtcd() {
      await rm(environmentFile, { force: true });
      await systemctl("stop", unit);
    },
    async setDataAside() {
      const aside = join(dataFolder, "member.removed");
      await rm(aside, { recursive: true, force: true });
      await rename(join(dataFolder, "member"), aside).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
    },
  };
}

/**
 * What etcd-member.service is told: how its etcd finds its cluster, and what only etcd.service was told, by a drop-in of a
 * cloud-config for instance. What stands in the file that both read is left to it.
 */
async function memberText(given: EtcdVariables, variables: EtcdVariables): Promise<string> {
  const text = await readFile(settingsFile, "utf8").catch(() => "");
  const read = new Set(Array.from(text.matchAll(/^\s*(ETCD_\w+)=/gm), ([, name]) => name));
  const passedOn = Object.entries(given).filter(([name]) => !read.has(name));
  return environmentText({ ...Object.fromEntries(passedOn), ...variables });
}

/** A folder that the administrator chose is made as systemd makes the usual one. */
async function makeDataFolder(folder: string): Promise<void> {
  if (await isThere(folder)) return;
  await promisify(execFile)("install", ["--directory", "--owner=etcd", "--mode=0700", folder]);
}

/** Variables for etcd in an environment, those that are set to nothing left out. */
export function etcdVariables(environment: Readonly<Record<string, string | undefined>>): EtcdVariables {
  const found = Object.entries(environment).filter(([name, value]) => name.startsWith("ETCD_") && value);
  return Object.fromEntries(found) as EtcdVariables;
}

/** What is remembered in a file; undefined when there is none. Throws Fault `bad-role`. */
export async function readRole(path: string): Promise<RoleRecord | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new Fault("bad-role", `cannot read ${path}: ${error.message}`, { cause: error });
  });
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as RoleRecord & { format?: unknown };
    if (record.format === 1 && Array.isArray(record.endpoints)) return record;
  } catch {
    // Told below.
  }
  throw new Fault("bad-role", `${path} is not of this release; remove it, and this machine decides anew`);
}

/** Writes a file so that after a loss of power either the old or the new one is there as a whole. */
async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const fresh = `${path}.new`;
  await using file = await open(fresh, "w", 0o644);
  await file.writeFile(text);
  await file.sync();
  await rename(fresh, path);
  await using folder = await open(dirname(path), "r");
  await folder.sync();
}

async function systemctl(verb: string, name: string): Promise<void> {
  try {
    await promisify(execFile)("systemctl", [verb, name], { timeout: systemctlLimitMs });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n")[0];
    throw new Fault("systemd-refused", `cannot ${verb} ${name}: ${said || sentenceOf(error)}`, {
      cause: error,
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
