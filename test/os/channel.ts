import { createReadStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { release } from "../../image/release.ts";
import { machinesFolder, testImage, testKey } from "../qemu/images.ts";
import type { Machine } from "../qemu/machine.ts";

/** This computer, as QEMU's machines see it. */
const outsideAddress = "10.0.2.2";

/** A folder of releases, served as any web server would. */
export class Channel {
  readonly folder: string;
  readonly #server: Server;
  /** The bytes of each version's files here, and how many went out since they were last waited for. */
  readonly #bytes = new Map<string, number>();
  #served = 0;
  #waiter: { readonly bytes: number; readonly reached: () => void } | undefined;

  private constructor(folder: string, server: Server) {
    this.folder = folder;
    this.#server = server;
  }

  static async open(name: string): Promise<Channel> {
    const folder = `${machinesFolder}/${name}`;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const server = createServer();
    const channel = new Channel(folder, server);
    server.on("request", (request, response) => {
      const file = (request.url ?? "/").replace(/^.*\//, "");
      const path = `${folder}/${file}`;
      void stat(path)
        .then(async (found) => {
          response.writeHead(200, { "content-length": found.size });
          await pipeline(createReadStream(path), channel.#counter(), response);
        })
        .catch(() => {
          // The file is not there, or the machine lost its power while it read.
          if (!response.headersSent) response.writeHead(404);
          response.end();
        });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return channel;
  }

  /** Where machines find it. */
  get url(): string {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the channel is closed");
    return `http://${outsideAddress}:${address.port}/`;
  }

  #counter(): Transform {
    return new Transform({
      transform: (piece: Buffer, _encoding, done) => {
        this.#count(piece.length);
        done(null, piece);
      },
    });
  }

  #count(bytes: number): void {
    this.#served += bytes;
    if (this.#waiter === undefined || this.#served < this.#waiter.bytes) return;
    this.#waiter.reached();
    this.#waiter = undefined;
  }

  has(version: string): boolean {
    return this.#bytes.has(version);
  }

  /** Resolves when this share of a version's bytes, between 0 and 1, went out from now on. */
  async whenServed(version: string, share: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#served = 0;
    this.#waiter = { bytes: Math.max(1, share * (this.#bytes.get(version) ?? 0)), reached: resolve };
    return await promise;
  }

  /** Builds a version and releases it here, signed with the tests' key. */
  async publish(version: string, options: { readonly overlay?: string } = {}): Promise<void> {
    const image = await testImage(version, options);
    await using key = await testKey();
    const files = await release({
      image,
      folder: this.folder,
      key,
      withDisk: false,
      effort: 0,
      progress: (line) => console.log(line),
      signal: new AbortController().signal,
    });
    let bytes = 0;
    // What machines fetch of it.
    for (const file of files.filter((name) => /\.(xz|efi)$/.test(name))) {
      bytes += (await stat(`${this.folder}/${file}`)).size;
    }
    this.#bytes.set(version, bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Has a machine's systemd-sysupdate fetch from here until its next boot. */
export async function pointAt(machine: Machine, channel: Channel): Promise<void> {
  await machine.expect(
    `mkdir -p /run/sysupdate.d && for file in /usr/lib/sysupdate.d/*.transfer; do sed 's|^Path=http.*|Path=${channel.url}|' "$file" > /run/sysupdate.d/"\${file##*/}"; done`,
  );
}

export const sysupdate = "/usr/lib/systemd/systemd-sysupdate";
