import { copyFile, link, rm, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Call, Command, CommandGroup, Flag } from "../src/cli/command.ts";
import { main } from "../src/cli/main.ts";
import { checkRoot } from "../src/lab/requirements.ts";
import { namesIn } from "../src/lab/disk.ts";
import { productVersion } from "../src/lib/version.ts";
import { billOfMaterials } from "./bill-of-materials.ts";
import { buildImage, type Image } from "./build.ts";
import { checkInputs, checkVersion, type ImageInputs, openFolder } from "./inputs.ts";
import { checkFolder, release } from "./release.ts";
import { makeSigningKey, type SigningKey, signingKey } from "./signing-key.ts";
import { sizeReport, sizesOf } from "./size-report.ts";

/** Where `npm run image` puts what it made; git does not see it. */
const usualFolder = fileURLToPath(new URL("../build/image", import.meta.url));
const usualReleases = fileURLToPath(new URL("../build/releases", import.meta.url));

const makingFlags: readonly Flag[] = [
  {
    name: "key",
    kind: "text",
    placeholder: "KEY",
    summary:
      "who signs updates: a file that gpg --export-secret-keys wrote, or the name of a key that gpg knows; without it machines take no updates",
  },
  {
    name: "server",
    kind: "text",
    placeholder: "URL",
    summary: "where the machines look for updates",
    otherwise: "disabled",
  },
  {
    name: "package",
    kind: "text",
    placeholder: "NAME",
    repeated: true,
    summary:
      "a package of Debian's besides those that every image has, such as podman; may be given several times",
  },
  {
    name: "with",
    kind: "text",
    placeholder: "DIR",
    summary: "files that are laid over the image's: what lies in DIR/usr and DIR/etc becomes part of it",
  },
  { name: "json", kind: "switch", summary: "print what was made as JSON; progress goes to standard error" },
];

const buildCommand: Command = {
  name: "build",
  summary: "Build an image",
  usage: "[VERSION]",
  description:
    "Builds the disk image of a version, with its list of packages and licences and its sizes, into build/image. The " +
    "first time this fetches Debian's packages and takes some minutes; what was built from the same sources is found " +
    "again at once. It needs root, and tools that it fetches into a Debian 13 tree of its own.",
  arity: { least: 0, most: 1 },
  flags: [
    ...makingFlags,
    {
      name: "out",
      kind: "text",
      placeholder: "DIR",
      summary: "where the files go",
      otherwise: "build/image",
    },
  ],
  examples: [
    { line: "npm run image", meaning: `the image of this version, ${productVersion}` },
    { line: "npm run image -- 1.4.0 --key release-key.gpg", meaning: "an image whose machines take updates" },
  ],
  async run(call) {
    const folder = resolve(call.flags.text("out") ?? usualFolder);
    const version = call.arguments[0] ?? productVersion;
    checkVersion(version);
    await checkInputs(inputsOf(call));
    await openFolder(folder);
    await using key = await keyOf(call);
    const image = await build(call, version, key);
    for (const old of await namesIn(folder)) {
      if (old.startsWith("argosy_")) await rm(`${folder}/${old}`);
    }
    for (const file of [image.disk, image.usr, image.verity, image.kernel]) {
      await linkOrCopy(file, `${folder}/${basename(file)}`);
    }
    const stem = `${folder}/argosy_${image.version}`;
    const sizes = await sizesOf(image);
    await writeFile(`${stem}.spdx.json`, await billOfMaterials(image));
    await writeFile(`${stem}.sizes.txt`, `${sizeReport(sizes)}\n`);
    if (call.flags.on("json")) {
      call.stdout.write(
        `${JSON.stringify({ version: image.version, buildId: image.buildId, folder, sizes })}\n`,
      );
      return 0;
    }
    call.stdout.write(`${sizeReport(sizes)}\n\n`);
    call.stdout.write(
      [
        `Image ${image.version}, build ${image.buildId}: ${folder}`,
        `  ${basename(image.disk)}   the whole disk; boot it in QEMU, or write it with: argosy image write`,
        `  ${basename(stem)}.spdx.json   what is in it, with licences`,
        "",
      ].join("\n"),
    );
    return 0;
  },
};

const releaseCommand: Command = {
  name: "release",
  summary: "Build a version and sign it for machines to update to",
  usage: "VERSION",
  description:
    "Builds the version if it is not built yet, and puts it into a folder that an update server, or any web server, can " +
    "serve: /usr and its hashes, the kernel, the whole disk, SHA256SUMS over all of it and its signature. The folder may " +
    "hold versions already; a version that is there is never replaced.",
  arity: { least: 1, most: 1 },
  flags: [
    ...makingFlags,
    { name: "out", kind: "text", placeholder: "DIR", summary: "the folder", otherwise: "build/releases" },
    { name: "no-disk", kind: "switch", summary: "leave the whole disk out, which only new machines need" },
  ],
  examples: [
    {
      line: "npm run image:release -- 1.4.0 --key release-key.gpg --server http://updates.example:8088/v1/update/",
      meaning: "a version, signed with the key of a file",
    },
  ],
  async run(call) {
    const [version = ""] = call.arguments;
    const folder = resolve(call.flags.text("out") ?? usualReleases);
    checkVersion(version);
    await checkInputs(inputsOf(call));
    await using key = await keyOf(call);
    if (key === undefined) {
      call.stderr.write(
        "Error: a release is signed: give --key; npm run image:key makes a key for first steps\n",
      );
      return 2;
    }
    await key.check();
    await checkFolder(folder, version);
    const progress = progressOf(call);
    const image = await build(call, version, key);
    const withDisk = !call.flags.on("no-disk");
    const files = await release({ image, folder, key, withDisk, progress, signal: call.signal });
    if (call.flags.on("json")) {
      call.stdout.write(`${JSON.stringify({ version, buildId: image.buildId, folder, files })}\n`);
    } else
      call.stdout.write(
        `Released ${version}, build ${image.buildId}, in ${folder}:\n  ${files.join("\n  ")}\n`,
      );
    return 0;
  },
};

const keyCommand: Command = {
  name: "key",
  summary: "Make a key that signs releases, without a passphrase",
  usage: "FILE",
  description:
    "Makes an Ed25519 key and writes its secret half to a new file that --key takes. Whoever has the file can update your " +
    "machines: for anything but first steps keep a key with a passphrase in gpg, or on a card.",
  arity: { least: 1, most: 1 },
  examples: [{ line: "npm run image:key -- release-key.gpg", meaning: "a key for first steps" }],
  async run({ arguments: [file = ""], stdout }) {
    await makeSigningKey(resolve(file), "Argosy releases");
    stdout.write(
      `Wrote ${resolve(file)}. Keep it secret, and keep it: machines take updates from no other.\n`,
    );
    return 0;
  },
};

async function keyOf(call: Call): Promise<SigningKey | undefined> {
  const key = call.flags.text("key");
  return key === undefined ? undefined : await signingKey(key);
}

function inputsOf({ flags }: Call): ImageInputs {
  const server = flags.text("server");
  const overlay = flags.text("with");
  return {
    packages: flags.all("package"),
    ...(server === undefined ? {} : { server }),
    ...(overlay === undefined ? {} : { overlay: resolve(overlay) }),
  };
}

async function build(call: Call, version: string, key: SigningKey | undefined): Promise<Image> {
  checkRoot();
  return await buildImage({
    version,
    ...(key === undefined ? {} : { keyring: key.keyring }),
    ...inputsOf(call),
    progress: progressOf(call),
    signal: call.signal,
  });
}

function progressOf({ flags, stdout, stderr, env }: Call): (line: string) => void {
  const begun = env.clock.monotonic();
  const output = flags.on("json") ? stderr : stdout;
  return (line) =>
    output.write(`${((env.clock.monotonic() - begun) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
}

/** A second name costs nothing where both lie on one file system. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async () => await copyFile(from, to));
}

const program: CommandGroup = {
  name: "image",
  summary: "Build and release the operating system's image",
  description: "Makes what machines boot from and update to.",
  version: productVersion,
  commands: [buildCommand, releaseCommand, keyCommand],
};

await main(program);
process.exit();
