import { createHash } from "node:crypto";
import { copyFile, cp, glob, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { enabledUnits } from "../src/argosy/systemd-units.ts";
import { namesIn, removeFolder } from "../src/lab/disk.ts";
import { withLock } from "../src/lab/lock.ts";
import { builtProduct } from "../src/lab/product.ts";
import { expectProgram } from "../src/lab/programs.ts";
import { Fault } from "../src/lib/fault.ts";
import { checkInputs, checkVersion, type ImageInputs } from "./inputs.ts";
import { archives, imageCache, runInTree, toolsTree } from "./tools-tree.ts";

/** What an image is made with. */
export interface ImageRequest extends ImageInputs {
  /** Its version: digits and letters with dots, compared as systemd does (systemd.version). */
  readonly version: string;
  /** A keyring in OpenPGP's binary form: whose signatures updates need. Without one a machine takes no updates. */
  readonly keyring?: string;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** A built image: its files lie in one folder, named IMAGE_VERSION.something as updates need them. */
export interface Image {
  readonly version: string;
  readonly buildId: string;
  readonly folder: string;
  /** The whole disk: loader, first slot; the machine makes the rest at its first boot. */
  readonly disk: string;
  readonly usr: string;
  readonly verity: string;
  readonly kernel: string;
  /** mkosi's list of packages, as JSON. */
  readonly manifest: string;
}

/** The name before the version in files, partitions and os-release. */
export const imageName = "argosy";

/** No build takes this long. */
const buildLimitMs = 30 * 60_000;

const checkout = fileURLToPath(new URL("..", import.meta.url));
const configuration = fileURLToPath(new URL("mkosi", import.meta.url));

/** Units of Debian's and ours besides the product's that start at boot. Nothing else does, whatever packages wish. */
const startedUnits = [
  "boot-blessed.service",
  "boot-health.service",
  "dbus.socket",
  "docker.socket",
  "ssh.socket",
  "systemd-boot-update.service",
  "systemd-network-generator.service",
  "systemd-networkd.service",
  "systemd-networkd-wait-online.service",
  "systemd-resolved.service",
  "systemd-timesyncd.service",
];

/**
 * Builds an image, or finds the one that was built from the same. One at a time: builds share their caches.
 * Throws Faults `bad-version`, `no-debian-archive` and `build-failed`, and those of `checkInputs`.
 */
export async function buildImage(request: ImageRequest): Promise<Image> {
  checkVersion(request.version);
  await checkInputs(request);
  const waiting = (): void => request.progress("Another command builds an image; waiting for it");
  return await withLock("image-build", waiting, async () => await buildAlone(request));
}

async function buildAlone(request: ImageRequest): Promise<Image> {
  const { progress, signal, version } = request;
  const product = await builtProduct(progress);
  const epoch = await sourceTime();
  const from = await archives();
  const buildId = `${day(epoch)}.${await inputsHash(request, product.hash, from.sources, epoch)}`;
  const builds = `${imageCache}/builds`;
  const folder = `${builds}/${version}-${buildId}`;
  if ((await stat(folder).catch(() => undefined)) !== undefined) {
    progress(`Image ${version} is built already: build ${buildId}`);
    return await imageIn(folder, version, buildId);
  }
  const tree = await toolsTree(from, progress, signal);

  const work = `${imageCache}/work`;
  for (const old of ["source", "product", "out", "space"]) await removeFolder(`${work}/${old}`);
  for (const needed of ["out", "space", "cache", "packages", "product"])
    await mkdir(`${work}/${needed}`, { recursive: true });
  progress("Laying Argosy out for the image");
  await cp(configuration, `${work}/source`, { recursive: true, verbatimSymlinks: true });
  await writeSandbox(`${work}/source/mkosi.sandbox`, from);
  await layProduct(`${work}/product`, async (root) => await product.install(root), request);

  progress(`Building image ${version}, build ${buildId} (the first time some minutes, else about one)`);
  const words = [
    "env",
    `SOURCE_DATE_EPOCH=${epoch}`,
    "mkosi",
    "--directory=/w/source",
    "--force",
    `--image-version=${version}`,
    `--environment=BUILD_ID=${buildId}`,
    "--extra-tree=/w/product",
    ...(request.packages ?? []).map((name) => `--package=${name}`),
    "--output-directory=/w/out",
    "--cache-directory=/w/cache",
    "--package-cache-dir=/w/packages",
    "--workspace-directory=/w/space",
    "build",
  ];
  const tail: string[] = [];
  const finished = await runInTree(tree, work, words, {
    limitMs: buildLimitMs,
    signal,
    line: (line) => {
      const plain = stripVTControlCharacters(line).trimEnd();
      if (plain === "") return;
      tail.push(plain);
      if (tail.length > keptLines) tail.shift();
      // mkosi's own steps; what apt and dpkg say of every package would bury them.
      if (plain.startsWith("‣")) progress(`  ${plain.replace(/^‣\s*/, "")}`);
    },
  });
  signal.throwIfAborted();
  if (finished.code !== 0)
    throw new Fault("build-failed", `mkosi did not build the image:\n${tail.join("\n")}`);

  await mkdir(builds, { recursive: true });
  for (const old of await namesIn(builds)) {
    if (old.startsWith(`${version}-`)) await removeFolder(`${builds}/${old}`);
  }
  await rename(`${work}/out`, folder);
  return await imageIn(folder, version, buildId);
}

/** How many of the last lines are told when a build fails. */
const keptLines = 25;

/** The files of a build. Throws Fault `build-incomplete`. */
export async function imageIn(folder: string, version: string, buildId: string): Promise<Image> {
  const one = async (pattern: string): Promise<string> => {
    const found: string[] = [];
    for await (const path of glob(pattern, { cwd: folder })) found.push(path);
    const [first] = found;
    if (first !== undefined && found.length === 1) return `${folder}/${first}`;
    throw new Fault(
      "build-incomplete",
      `cannot use the build in ${folder}: it has ${found.length} files ${pattern} and not one; remove the folder and build again`,
    );
  };
  const stem = `${imageName}_${version}`;
  return {
    version,
    buildId,
    folder,
    disk: await one(`${stem}.raw`),
    usr: await one(`${stem}.usr.*.raw`),
    verity: await one(`${stem}.usr-verity.*.raw`),
    kernel: await one(`${stem}.efi`),
    manifest: await one(`${stem}.manifest`),
  };
}

/** Argosy's part of the image: the product with its units among the system's own, the preset, who may update. */
async function layProduct(
  root: string,
  install: (root: string) => Promise<void>,
  { keyring, server, version, overlay }: ImageRequest,
): Promise<void> {
  await install(root);
  const system = `${root}/usr/lib/systemd/system`;
  await mkdir(system, { recursive: true });
  const laid = `${root}/usr/local/lib/systemd/system`;
  for (const unit of await namesIn(laid)) await rename(`${laid}/${unit}`, `${system}/${unit}`);
  await rm(`${root}/usr/local`, { recursive: true });
  // What starts is said once, in the preset; links in /etc would be a second opinion.
  await rm(`${root}/etc/systemd`, { recursive: true, force: true });

  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(`${root}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await writeFile(`${root}${path}`, text);
  };
  const started = [...new Set([...enabledUnits.map(({ unit }) => unit), ...startedUnits])].sort();
  await write(
    "/usr/lib/systemd/system-preset/00-argosy.preset",
    `# What starts at boot. An administrator's own preset comes before it as /etc/systemd/system-preset/00-a.preset.\n${started
      .map((unit) => `enable ${unit}\n`)
      .join("")}disable *\n`,
  );
  // The places where CoreOS's tools look for them.
  await write(
    "/usr/share/coreos/release",
    `COREOS_RELEASE_VERSION=${version}\nCOREOS_RELEASE_BOARD=amd64-usr\n`,
  );
  await write("/usr/share/coreos/update.conf", `GROUP=stable\nSERVER=${server ?? "disabled"}\n`);
  if (keyring !== undefined) {
    await mkdir(`${root}/usr/lib/systemd`, { recursive: true });
    await copyFile(keyring, `${root}/usr/lib/systemd/import-pubring.gpg`);
  }
  if (overlay !== undefined) await cp(overlay, root, { recursive: true, verbatimSymlinks: true });
}

async function writeSandbox(
  folder: string,
  from: { readonly sources: string; readonly options: readonly string[] },
): Promise<void> {
  await mkdir(`${folder}/etc/apt/sources.list.d`, { recursive: true });
  await mkdir(`${folder}/etc/apt/apt.conf.d`, { recursive: true });
  await writeFile(`${folder}/etc/apt/sources.list.d/mkosi.sources`, from.sources);
  await writeFile(`${folder}/etc/apt/apt.conf.d/90-host`, `${from.options.join("\n")}\n`);
}

/** The time that every file of the image gets, in seconds: the last commit's, or what SOURCE_DATE_EPOCH says. */
async function sourceTime(): Promise<number> {
  const given = process.env["SOURCE_DATE_EPOCH"];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const told = await expectProgram("git", ["-C", checkout, "log", "-1", "--format=%ct"]).catch(() => "");
  return told.trim() === ""
    ? Math.floor((await stat(`${checkout}package.json`)).mtimeMs / 1000)
    : Number(told);
}

function day(epoch: number): string {
  return new Date(epoch * 1000).toISOString().slice(0, 10).replaceAll("-", "");
}

/** Everything of ours that goes into an image, in eight hexadecimal digits; Debian's part is in the list of packages. */
async function inputsHash(
  { version, keyring, server, overlay, packages = [] }: ImageRequest,
  product: string,
  sources: string,
  epoch: number,
): Promise<string> {
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify([version, product, sources, epoch, server ?? null, packages, enabledUnits, startedUnits]),
  );
  for (const folder of [configuration, ...(overlay === undefined ? [] : [overlay])]) {
    const names: string[] = [];
    for await (const name of glob("**/*", { cwd: folder })) names.push(name);
    for (const name of names.sort()) {
      const path = `${folder}/${name}`;
      if ((await stat(path)).isFile())
        hash.update(`${basename(folder)}/${name}\n`).update(await readFile(path));
    }
  }
  if (keyring !== undefined) hash.update(await readFile(keyring));
  return hash.digest("hex").slice(0, 8);
}
