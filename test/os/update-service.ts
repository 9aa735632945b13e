import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expectProgram } from "../../src/lab/programs.ts";
import { release, signFolder } from "../../image/release.ts";
import type { SigningKey } from "../../image/signing-key.ts";
import { machinesFolder, testImage, testKey } from "../qemu/images.ts";

const argosy = fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url));

/** Argosy's own update server with releases of the tests' images, as its manual sets it up. */
export class UpdateService {
  readonly #folder: string;
  readonly #listen: string;
  readonly #host: string;
  #server: ChildProcess | undefined;

  /** @param listen address and port on this computer @param host this computer as the machines see it */
  constructor(name: string, listen: string, host: string) {
    this.#folder = `${machinesFolder}/${name}`;
    this.#listen = listen;
    this.#host = host;
  }

  /** What SERVER= is on the machines. */
  get url(): string {
    return `http://${this.#host}:${this.#listen.split(":").at(-1)}/v1/update/`;
  }

  /** Builds a version, releases it signed with the tests' key, and makes it what the group stable gets. */
  async publish(version: string, options: { readonly overlay?: string } = {}): Promise<void> {
    const image = await testImage(version, options);
    const folder = this.#images(version);
    await rm(folder, { recursive: true, force: true });
    await using key = await testKey();
    await release({
      image,
      folder,
      key,
      withDisk: false,
      effort: 0,
      progress: (line) => console.log(line),
      signal: new AbortController().signal,
    });
    // The server's own store is open in one process at a time.
    await this.#stop();
    await this.#admin("release", version, "--from", folder);
    await this.#admin("channel", "stable", version);
    await this.#admin("group", "stable", "--channel", "stable");
    await this.#start();
  }

  /** Signs a version anew with somebody's key. */
  async signWith(version: string, key: SigningKey): Promise<void> {
    await signFolder(this.#images(version), key);
  }

  #images(version: string): string {
    return `${this.#folder}/images/${version}`;
  }

  get #store(): string {
    return `embedded:${this.#folder}/store`;
  }

  async #admin(...words: readonly string[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await expectProgram(process.execPath, [argosy, "update-server", ...words, "--store", this.#store]);
  }

  async #start(): Promise<void> {
    const words = [
      "serve",
      "--listen",
      this.#listen,
      "--store",
      this.#store,
      "--images",
      `${this.#folder}/images`,
    ];
    const server = spawn(process.execPath, [argosy, "update-server", ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#server = server;
    await once(createInterface(server.stdout), "line");
  }

  async #stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, "exit");
    server.kill("SIGTERM");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
