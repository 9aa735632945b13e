import { spawn } from "node:child_process";
import { constants, createReadStream, createWriteStream } from "node:fs";
import { access, open, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Call, Command, CommandGroup } from "../cli/command.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { readDiskImage } from "./disk-image.ts";
import { type DiskFacts, diskRefusal } from "./disk-refusal.ts";

const writeCommand: Command = {
  name: "write",
  summary: "Write an image onto a disk or into a file",
  usage: "IMAGE DISK",
  description:
    "Writes the image of a whole disk, packed by xz or not, onto a disk that nothing uses, or into a file for a virtual " +
    "machine. The machine grows its partitions to the disk at its first boot. Everything on the disk is lost.",
  arity: { least: 2, most: 2 },
  flags: [
    { name: "dry-run", kind: "switch", summary: "say what would be written, and write nothing" },
    { name: "overwrite", kind: "switch", summary: "take a disk or file that is not empty" },
  ],
  examples: [
    {
      line: "argosy image write argosy_1.4.0.raw.xz /dev/sdb --dry-run",
      meaning: "see whether it would work",
    },
    { line: "argosy image write argosy_1.4.0.raw.xz /dev/sdb", meaning: "a disk to boot from" },
  ],
  choices: { files: true },
  async run(call) {
    const [image = "", disk = ""] = call.arguments;
    const { packed, bytes: imageBytes } = await readDiskImage(image);
    const facts = await factsOf(disk, image);
    const refusal = diskRefusal(facts, { imageBytes, overwrite: call.flags.on("overwrite") });
    if (refusal !== undefined) throw new Fault("disk-refused", `nothing was written: ${refusal}`);
    const what = `${basename(image)} onto ${facts.kind === "disk" ? "the disk " : ""}${disk}`;
    if (call.flags.on("dry-run")) {
      call.stdout.write(`would write ${what}\n`);
      return 0;
    }
    const bytes = await write(image, disk, packed, call);
    call.stdout.write(`wrote ${what}: ${(bytes / 1024 ** 2).toFixed(0)} MiB\n`);
    return 0;
  },
};

/** `argosy image`. */
export const imageCommand: CommandGroup = {
  name: "image",
  summary: "Put the operating system's image onto disks",
  description: "Images are built with npm run image, and released with npm run image:release.",
  commands: [writeCommand],
};

async function write(image: string, disk: string, packed: boolean, call: Call): Promise<number> {
  let bytes = 0;
  let told = 0;
  const count = new Transform({
    transform(piece: Buffer, _encoding, done) {
      bytes += piece.length;
      if (call.stdout.isTerminal && bytes - told >= progressBytes) {
        told = bytes;
        call.stdout.write(`\r${(bytes / 1024 ** 2).toFixed(0)} MiB `);
      }
      done(null, piece);
    },
  });
  // Flushed, because somebody pulls it out when we are done.
  const target = createWriteStream(disk, { flags: "w", flush: true, highWaterMark: pieceBytes });
  try {
    if (packed) {
      const unpack = spawn("xz", ["--decompress", "--stdout", "--", image], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      let said = "";
      unpack.stderr.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-1000)));
      const ended = new Promise<void>((resolve, reject) => {
        unpack.on("error", reject);
        unpack.on("close", (code) =>
          code === 0 ? resolve() : reject(new Error(said.trim() || `xz ended with ${code}`)),
        );
      });
      await Promise.all([pipeline(unpack.stdout, count, target, { signal: call.signal }), ended]);
    } else {
      const source = createReadStream(image, { highWaterMark: pieceBytes });
      await pipeline(source, count, target, { signal: call.signal });
    }
  } catch (error) {
    call.signal.throwIfAborted();
    throw new Fault(
      "write-failed",
      `${disk} holds only a part of the image now and cannot be booted: ${sentenceOf(error)}`,
      { cause: error },
    );
  }
  if (call.stdout.isTerminal) call.stdout.write("\r");
  return bytes;
}

const pieceBytes = 4 * 1024 * 1024;
const progressBytes = 64 * 1024 * 1024;

async function factsOf(path: string, image: string): Promise<DiskFacts> {
  const found = await stat(path).catch(() => undefined);
  const written = found === undefined ? dirname(path) : path;
  const obstacle = await access(written, constants.W_OK).then(
    () => "",
    (error: unknown) => sentenceOf(error),
  );
  const nothing = { path, size: 0, uses: [], hasContent: false, readOnly: false, isImage: false, obstacle };
  if (found === undefined) return { ...nothing, kind: "absent" };
  if (found.isFile()) {
    const { dev, ino } = await stat(image);
    const isImage = dev === found.dev && ino === found.ino;
    return { ...nothing, kind: "file", hasContent: found.size > 0, size: found.size, isImage };
  }
  if (!found.isBlockDevice()) return { ...nothing, kind: "other" };
  const name = basename(await realpath(path));
  const system = `/sys/class/block/${name}`;
  const text = async (file: string): Promise<string> =>
    (await readFile(`${system}/${file}`, "utf8").catch(() => "")).trim();
  const kind = (await text("partition")) === "" ? "disk" : "partition";
  const known = await usesOf(name);
  const uses = known.length === 0 && (await isClaimed(path)) ? [`the system has claimed ${path}`] : known;
  return {
    ...nothing,
    kind,
    size: Number(await text("size")) * 512,
    uses,
    hasContent: uses.length > 0 || (obstacle === "" && (await beginsWithContent(path))),
    readOnly: (await text("ro")) === "1",
  };
}

/** Whether the kernel says that somebody has a device for himself, such as a file system over several disks. */
async function isClaimed(path: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_EXCL);
    await file.close();
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EBUSY";
  }
}

/** Who uses a disk or one of its partitions: mounts, swap, and devices that lie on it. */
async function usesOf(disk: string): Promise<readonly string[]> {
  const system = `/sys/class/block/${disk}`;
  const below = (await readdir(system)).filter((name) => name.startsWith(disk));
  const uses: string[] = [];
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const swaps = (await readFile("/proc/swaps", "utf8").catch(() => "")).split("\n");
  for (const name of [disk, ...below]) {
    const numbers = (await readFile(`/sys/class/block/${name}/dev`, "utf8").catch(() => "")).trim();
    for (const line of mounts) {
      const [, , device, , at] = line.split(" ");
      if (numbers !== "" && device === numbers) uses.push(`/dev/${name} is mounted at ${at}`);
    }
    if (swaps.some((line) => line.startsWith(`/dev/${name} `))) uses.push(`/dev/${name} is swap`);
    for (const holder of await readdir(`/sys/class/block/${name}/holders`).catch(() => [])) {
      uses.push(`/dev/${holder} lies on /dev/${name}`);
    }
  }
  return uses;
}

/** Partition tables and file systems leave something in the first megabyte. */
async function beginsWithContent(path: string): Promise<boolean> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024 * 1024), 0, 1024 * 1024, 0);
    return buffer.subarray(0, bytesRead).some((byte) => byte !== 0);
  } catch (error) {
    throw new Fault(
      "disk-unreadable",
      `nothing was written: cannot open ${path} (${sentenceOf(error)}); disks are written as root`,
      { cause: error },
    );
  }
}
