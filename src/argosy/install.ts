import { Fault } from "../lib/fault.ts";
import { groupFiles, makeSocketGroup } from "./fleet-group.ts";
import { commandNames, defaultFiles, launcher, launcherMark } from "./launcher.ts";
import { rebootSignalPolicy } from "./locksmith-units.ts";
import { type ProductFiles, productFiles } from "./product.ts";
import { RootFolder } from "./root-folder.ts";
import { activate, isRunningSystem } from "./running-system.ts";
import { enabledUnits, systemdUnits, unitAliases } from "./systemd-units.ts";
import { neighbourFiles } from "./update-units.ts";

/** How to install. */
export interface InstallOptions {
  /** The root of the file system that gets the product; `/` for the running machine. */
  readonly root: string;
  /** False leaves the units as they are: not enabled, not started. True when not given. */
  readonly enable?: boolean;
  /** Says what would be done and writes nothing. */
  readonly dryRun?: boolean;
  /** The built product; what this code runs from, or its checkout's build, when not given. */
  readonly files?: ProductFiles;
  /** Gets one line for each thing that was done. */
  readonly log: (line: string) => void;
}

/**
 * Units go where no package of Debian writes, so that its own etcd.service is covered and not overwritten, and the
 * administrator's changes in /etc still win.
 */
const unitFolder = "/usr/local/lib/systemd/system";

/** Debian's etcd-client owns this name and works without us: it stays, and ours is `argosy etcdctl`. */
const mayBelongToOthers: readonly string[] = ["etcdctl"];

/**
 * Lays the product into a root file system: Node, the bundles, the commands, the systemd units and, where there are
 * none yet, settings files. What is already there as it should be is not touched. Each file is replaced as a whole, so
 * programs that run from the old one go on. On the running machine systemd also starts what is new and restarts what
 * changed. Throws Fault `foreign-file`, before anything is written, when a file that is not ours has one of our names;
 * `not-bundled`, `no-root-folder` and `cannot-install`.
 */
export async function installProduct(options: InstallOptions): Promise<void> {
  const { log, enable = true, dryRun = false } = options;
  const files = options.files ?? (await productFiles());
  const root = await RootFolder.open(options.root, { log, dryRun });
  const commands = await ownCommands(root, log);

  await root.copy(files.node, "/usr/lib/argosy/node", 0o755);
  await root.copy(files.fleetctl, "/usr/lib/argosy/fleetctl.cjs", 0o644);
  await root.copy(files.fleetctlProgram, "/usr/lib/argosy/fleetctl.program", 0o644);
  await root.copy(files.etcd, "/usr/lib/argosy/etcd.mjs", 0o644);
  await root.copy(files.fleet, "/usr/lib/argosy/fleet.mjs", 0o644);
  await root.copy(files.locksmithd, "/usr/lib/argosy/locksmithd.mjs", 0o644);
  await root.copy(files.daemons, "/usr/lib/argosy/daemons.mjs", 0o644);
  await root.copy(files.storeWorker, "/usr/lib/argosy/store-worker.mjs", 0o644);
  await root.copy(files.commands, "/usr/lib/argosy/argosy.mjs", 0o644);
  for (const name of commands) await root.write(`/usr/bin/${name}`, launcher(name), 0o755);
  for (const [path, text] of Object.entries(defaultFiles)) {
    if (!(await root.exists(path))) await root.write(path, text, 0o644);
  }
  for (const [path, text] of Object.entries({ ...neighbourFiles, ...rebootSignalPolicy, ...groupFiles }))
    await root.write(path, text, 0o644);
  await makeSocketGroup(root);
  const fresh = new Set<string>();
  const changed = new Set<string>();
  for (const [unit, text] of Object.entries(systemdUnits)) {
    const present = await root.text(`${unitFolder}/${unit}`);
    if (present === undefined) fresh.add(unit);
    else if (present !== text) changed.add(unit);
    await root.write(`${unitFolder}/${unit}`, text, 0o644);
  }
  for (const [alias, unit] of Object.entries(unitAliases)) await root.link(`${unitFolder}/${alias}`, unit);
  if (enable) await enableUnits(root, fresh);
  if (!root.changed) log(`nothing to do: the product in ${root.folder} is up to date`);
  await adviseOnPackages(root, log);
  if (enable && !dryRun && (await isRunningSystem(root.folder))) {
    await activate({ fresh, changed, programChanged: root.changed, log });
  }
}

/** The commands whose names are free or already ours. */
async function ownCommands(root: RootFolder, log: (line: string) => void): Promise<readonly string[]> {
  const own: string[] = [];
  for (const name of commandNames) {
    const path = `/usr/bin/${name}`;
    const present = await root.head(path);
    if (present === undefined || present.includes(launcherMark)) own.push(name);
    else if (mayBelongToOthers.includes(name))
      log(`kept ${path} of another package; ours is "argosy ${name}"`);
    else {
      throw new Fault(
        "foreign-file",
        `cannot install: ${root.path(path)} belongs to something else; move it away or remove its package, then install again`,
      );
    }
  }
  return own;
}

/**
 * Makes the units start at boot, as a systemd preset does: only units that were not there before, so that what an
 * administrator disabled stays disabled. A mask from before our unit was there was meant for a unit of Debian's.
 */
async function enableUnits(root: RootFolder, fresh: ReadonlySet<string>): Promise<void> {
  for (const { unit, target } of enabledUnits) {
    if (!fresh.has(unit)) continue;
    const mask = `/etc/systemd/system/${unit}`;
    if ((await root.linkTarget(mask)) === "/dev/null" && unit === "etcd.service") await root.remove(mask);
    await root.link(`/etc/systemd/system/${target}.wants/${unit}`, `${unitFolder}/${unit}`);
  }
}

/** Programs and libraries of Debian's that the product needs, each with its package. */
const needed = [
  { package: "etcd-server", paths: ["/usr/bin/etcd"] },
  {
    package: "libatomic1",
    paths: ["/usr/lib/x86_64-linux-gnu/libatomic.so.1", "/lib/x86_64-linux-gnu/libatomic.so.1"],
  },
  { package: "dbus", paths: ["/usr/bin/dbus-daemon", "/usr/bin/dbus-broker"] },
  { package: "systemd", paths: ["/usr/bin/systemctl", "/bin/systemctl"] },
];

async function adviseOnPackages(root: RootFolder, log: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const { package: name, paths } of needed) {
    const found = await Promise.all(paths.map((path) => root.exists(path)));
    if (!found.includes(true)) missing.push(name);
  }
  if (missing.length === 0) return;
  const where = root.folder === "/" ? "" : ` in ${root.folder}`;
  log(`still missing${where}: ${missing.join(", ")}; install with: apt-get install ${missing.join(" ")}`);
}
