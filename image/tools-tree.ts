import { createHash } from "node:crypto";
import { copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { namesIn, removeFolder } from "../src/lab/disk.ts";
import { cacheFolder } from "../src/lab/layout.ts";
import { type Finished, expectProgram, type ProgramOptions, runProgram } from "../src/lab/programs.ts";
import { hostAptOptions, hostPackageSources } from "../src/lab/root-file-system.ts";
import { Fault } from "../src/lib/fault.ts";
import { debianArchive, type PackageSource } from "../src/lab/recipe.ts";

/** Where everything is kept that one build of an image can take over from the one before. */
export const imageCache = `${cacheFolder}/image`;

/** What builds the image, in a Debian 13 of its own: the tools of Debian 12 are too old for it. */
const packages = [
  "apt",
  "ca-certificates",
  "cpio",
  "cryptsetup-bin",
  "debian-archive-keyring",
  "dosfstools",
  "e2fsprogs",
  "erofs-utils",
  "fdisk",
  "gpg",
  "gpgv",
  "kmod",
  "mkosi",
  "mtools",
  "python3",
  "systemd-boot-efi",
  "systemd-cryptsetup",
  "systemd-repart",
  "systemd-ukify",
  "uidmap",
  "xz-utils",
  "zstd",
];

/** A slow mirror is no error. */
const treeLimitMs = 30 * 60_000;

/** The archives that the image's packages come from, as lines of a sources.list. */
export interface Archives {
  readonly lines: readonly string[];
  /** The same, as apt's .sources file; mkosi takes one of the name mkosi.sources instead of its own. */
  readonly sources: string;
  /** What the host's apt needs to reach its archives, as lines of an apt.conf. */
  readonly options: readonly string[];
}

/**
 * Debian 13's archives at the addresses this machine's own apt uses, the security archive among them: without its
 * kernel the image did not boot. Throws Fault `no-debian-archive`.
 */
export async function archives(): Promise<Archives> {
  const sources = await hostPackageSources();
  const main = debianArchive(sources);
  const security = securityArchive(sources);
  if (main === undefined || security === undefined) {
    throw new Fault(
      "no-debian-archive",
      `The image is built from Debian packages, but apt on this machine has no ${main === undefined ? "Debian" : "security"} archive among its sources. ` +
        'Add one (for example "deb MIRROR-security bookworm-security main" in /etc/apt/sources.list) and run apt-get update.',
    );
  }
  const suites = [
    [main, "trixie"],
    [main, "trixie-updates"],
    [security, "trixie-security"],
  ] as const;
  return {
    lines: suites.map(([uri, suite]) => `deb ${uri} ${suite} main`),
    sources: suites
      .map(
        ([uri, suite]) =>
          `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`,
      )
      .join("\n"),
    options: await hostAptOptions(),
  };
}

function securityArchive(sources: readonly PackageSource[]): string | undefined {
  return sources.find(
    ({ component, release, uri }) =>
      component === "main" && (release.endsWith("-security") || /debian-security\/?$/.test(uri)),
  )?.uri;
}

/** The folder with the tools, made on first use. */
export async function toolsTree(
  from: Archives,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  return await debianTree("tools", packages, from, progress, signal);
}

/** The folder with a Debian 13 of these packages, made on first use. Those who want one for the same purpose take turns. */
export async function debianTree(
  purpose: string,
  contents: readonly string[],
  from: Archives,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(contents)).digest("hex").slice(0, 12);
  const name = `${purpose}-${hash}`;
  const folder = `${imageCache}/${name}`;
  const present = await namesIn(imageCache);
  if (present.includes(name)) return folder;
  const old = [`${purpose}-`, `unfinished-${purpose}-`];
  for (const other of present.filter((each) => old.some((start) => each.startsWith(start)))) {
    await removeFolder(`${imageCache}/${other}`);
  }
  progress(`Making a Debian 13 tree (${purpose}), kept in ${folder}`);
  await mkdir(imageCache, { recursive: true });
  const unfinished = `${imageCache}/unfinished-${name}`;
  const words = [
    "--variant=apt",
    "--format=directory",
    "--skip=check/empty",
    "--aptopt=APT::Install-Recommends false",
    "--dpkgopt=force-unsafe-io",
    ...["man", "doc", "locale", "info"].map((each) => `--dpkgopt=path-exclude=/usr/share/${each}/*`),
    ...from.options.map((option) => `--aptopt=${option}`),
    `--include=${contents.join(",")}`,
    "trixie",
    unfinished,
    ...from.lines,
  ];
  try {
    await expectProgram("mmdebstrap", words, {
      limitMs: treeLimitMs,
      signal,
      line: (line) => {
        if (line.startsWith("I: ")) progress(`  ${line.slice(3)}`);
      },
    });
    await rename(unfinished, folder);
  } catch (error) {
    await removeFolder(unfinished);
    throw error;
  }
  return folder;
}

/** Runs a command of the tools tree with one folder of this machine bound to /w in it, which is where it starts. */
export async function runInTree(
  tree: string,
  work: string,
  command: readonly string[],
  options: ProgramOptions,
): Promise<Finished> {
  // Names are looked up as this machine does it; the file that Debian leaves there is a link to nowhere.
  await rm(`${tree}/etc/resolv.conf`, { force: true });
  await copyFile("/etc/resolv.conf", `${tree}/etc/resolv.conf`).catch(
    async () => await writeFile(`${tree}/etc/resolv.conf`, ""),
  );
  await mkdir(`${tree}/w`, { recursive: true });
  // A process namespace, so that nothing outlives the command; a mount namespace, so that no mount does.
  const words = ["--mount", "--pid", "--fork", "--kill-child", "--propagation=private"];
  return await runProgram(
    "unshare",
    [...words, "sh", "-c", enterTree, "sh", tree, work, ...command],
    options,
  );
}

/** Makes the tree the root of its own mount namespace. A chroot would not do: mkosi changes the root once more. */
const enterTree = `
set -e
tree=$1 work=$2
shift 2
mount --bind "$tree" "$tree"
mount --bind "$work" "$tree/w"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
mount -t tmpfs -o mode=755 tmpfs "$tree/run"
cd "$tree"
pivot_root . mnt
umount -l /mnt
cd /w
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb "$@"
`;
