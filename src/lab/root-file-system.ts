import { createHash } from "node:crypto";
import { mkdir, rename } from "node:fs/promises";
import { arch } from "node:os";
import { Fault } from "../lib/fault.ts";
import { mounts, namesIn, removeFolder, writeSettings } from "./disk.ts";
import { cacheFolder } from "./layout.ts";
import { withLock } from "./lock.ts";
import { expectProgram, runProgram } from "./programs.ts";
import { debianArchive, type PackageSource, recipe } from "./recipe.ts";
import { stopwatch } from "./waiting.ts";

export interface Building {
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Folders in the cache that machines of some lab lie on. */
  readonly used: readonly string[];
}

/**
 * The folder of the root file system that all machines share, built on first use. Two who need it at the same time
 * build it once, and a build that was broken off leaves nothing that the next one would take for finished.
 */
export async function rootFileSystem(building: Building): Promise<string> {
  const hash = createHash("sha256")
    .update(JSON.stringify([recipe, arch()]))
    .digest("hex")
    .slice(0, 12);
  const name = `${namePrefix}${hash}`;
  if ((await namesIn(cacheFolder)).includes(name)) return `${cacheFolder}/${name}`;
  const waiting = (): void =>
    building.progress("Another command builds the root file system; waiting for it");
  return await withLock("root-file-system", waiting, async () => {
    const present = await namesIn(cacheFolder);
    if (!present.includes(name)) {
      for (const left of present.filter((each) => each.startsWith(unfinishedPrefix))) {
        await removeFolder(`${cacheFolder}/${left}`);
      }
      await build(`${cacheFolder}/${unfinishedPrefix}${hash}`, `${cacheFolder}/${name}`, building);
      await removeUnused(name, building);
    }
    return `${cacheFolder}/${name}`;
  });
}

const namePrefix = "rootfs-";
const unfinishedPrefix = "unfinished-rootfs-";

async function build(folder: string, result: string, { progress, signal }: Building): Promise<void> {
  const elapsedMs = stopwatch();
  const archive = await archiveAddress();
  progress(
    `Building the machines' root file system (Debian ${recipe.suite}, from ${archive}); kept in ${result}`,
  );
  await mkdir(cacheFolder, { recursive: true });
  const words = [
    "--variant=minbase",
    "--format=directory",
    "--skip=check/empty",
    `--include=${recipe.packages.join(",")}`,
    "--aptopt=APT::Install-Recommends false",
    // The file system is renamed into place when it is complete, so nothing before that needs to be safe on disk.
    "--dpkgopt=force-unsafe-io",
    ...recipe.excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...(await hostAptOptions()).map((option) => `--aptopt=${option}`),
    recipe.suite,
    folder,
    archive,
  ];
  try {
    await expectProgram("mmdebstrap", words, {
      limitMs: buildLimitMs,
      ...(signal === undefined ? {} : { signal }),
      line: (line) => {
        if (line.startsWith("I: ")) progress(`  ${line.slice(3)}`);
      },
    });
    await expectProgram("systemctl", ["--root", folder, "--quiet", "disable", ...recipe.disabled]);
    await expectProgram("systemctl", ["--root", folder, "--quiet", "set-default", "multi-user.target"]);
    await expectProgram("systemctl", ["--root", folder, "--quiet", "enable", "ssh.socket"]);
    await removeFolder(`${folder}/var/lib/etcd`);
    for (const path of recipe.removed) await removeFolder(`${folder}${path}`);
    await writeSettings(folder, [
      ...recipe.masked.map((unit) => ({ path: `/etc/systemd/system/${unit}`, target: "/dev/null" })),
      ...Object.entries(recipe.files).map(([path, text]) => ({ path, text })),
    ]);
    await rename(folder, result);
  } catch (error) {
    await removeFolder(folder);
    throw error;
  }
  progress(`Built the root file system in ${(elapsedMs() / 1000).toFixed(0)} s`);
}

/** A slow mirror is no error. */
const buildLimitMs = 30 * 60_000;

/** The package sources that the host's apt is configured for. */
export async function hostPackageSources(): Promise<readonly PackageSource[]> {
  const format = "$(REPO_URI)|$(ORIGIN)|$(RELEASE)|$(COMPONENT)";
  const lines = (await expectProgram("apt-get", ["indextargets", "--format", format])).trim().split("\n");
  return lines.map((line) => {
    const [uri = "", origin = "", release = "", component = ""] = line.split("|");
    return { uri, origin, release, component };
  });
}

/** Where the host's own apt gets Debian from. */
async function archiveAddress(): Promise<string> {
  const archive = debianArchive(await hostPackageSources());
  if (archive !== undefined) return archive;
  throw new Fault(
    "no-debian-archive",
    "The machines' root file system is built from Debian packages, but apt on this machine has no Debian archive " +
      'among its sources. Add one (for example "deb MIRROR bookworm main" in /etc/apt/sources.list) and run apt-get update.',
  );
}

/** What the host's apt needs to reach its archive: proxies, and a clock that is allowed to differ from the archive's. */
export async function hostAptOptions(): Promise<readonly string[]> {
  const { stdout } = await runProgram("apt-config", ["dump"]);
  const wanted = /^Acquire::(https?::Proxy|https?::Proxy::\S+|Check-Valid-Until|Check-Date) ".+";$/;
  return stdout.split("\n").filter((line) => wanted.test(line));
}

/** Removes root file systems of older recipes, but none that a machine lies on. */
async function removeUnused(current: string, { used }: Building): Promise<void> {
  const mounted = (await mounts()).flatMap((mount) => mount.lower);
  for (const name of await namesIn(cacheFolder)) {
    const folder = `${cacheFolder}/${name}`;
    const needed = name === current || used.includes(folder) || mounted.includes(folder);
    if (name.startsWith(namePrefix) && !needed) await removeFolder(folder);
  }
}
