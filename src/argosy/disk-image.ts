import { spawn } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** The image of a whole disk, in a file. */
export interface DiskImage {
  /** By xz. */
  readonly packed: boolean;
  /** What it has when it is unpacked. */
  readonly bytes: number;
}

/** Reads what has to be known before anything is written. Throws Fault `no-image` when the file is none, or only a part of one. */
export async function readDiskImage(path: string): Promise<DiskImage> {
  const packed = path.endsWith(".xz");
  const found = await stat(path).catch((error: unknown) => {
    throw new Fault("no-image", `cannot read the image ${path}: ${sentenceOf(error)}`, { cause: error });
  });
  if (!found.isFile()) throw noImage(path, "is no file");
  const bytes = packed ? await unpackedBytes(path) : found.size;
  const head = packed ? await unpackedHead(path) : await headOf(path);
  // GPT's signature stands in the second sector; a disk without one is none that boots.
  if (head.toString("latin1", 512, 520) !== "EFI PART")
    throw noImage(path, packed ? "holds no image of a whole disk" : "is no image of a whole disk");
  return { packed, bytes };
}

const headBytes = 520;

async function headOf(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new Fault("no-image", `cannot read the image ${path}: ${sentenceOf(error)}`, { cause: error });
  }
}

/** xz keeps sizes at the end of its files, so this fails for one that is cut short. */
async function unpackedBytes(path: string): Promise<number> {
  const { code, output } = await runXz(["--robot", "--list", "--", path], Number.POSITIVE_INFINITY);
  const bytes = Number(/^totals\t\d+\t\d+\t\d+\t(\d+)\t/m.exec(output.toString())?.[1] ?? NaN);
  if (code !== 0 || Number.isNaN(bytes)) throw noImage(path, "is no whole xz file");
  return bytes;
}

async function unpackedHead(path: string): Promise<Buffer> {
  const { output } = await runXz(["--decompress", "--stdout", "--", path], headBytes);
  return output;
}

/** Runs xz until it has ended, or said enough. */
async function runXz(
  words: readonly string[],
  enough: number,
): Promise<{ readonly code: number | null; readonly output: Buffer }> {
  const xz = spawn("xz", words, { stdio: ["ignore", "pipe", "ignore"] });
  const pieces: Buffer[] = [];
  let length = 0;
  xz.stdout.on("data", (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length >= enough) xz.kill();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    xz.on("error", (error) =>
      reject(new Fault("no-xz", `cannot unpack: there is no xz here (${error.message}); install xz-utils`)),
    );
    xz.on("close", resolve);
  });
  return { code, output: Buffer.concat(pieces) };
}

function noImage(path: string, what: string): Fault {
  return new Fault("no-image", `${path} ${what}; take the file argosy_VERSION.raw or argosy_VERSION.raw.xz`);
}
