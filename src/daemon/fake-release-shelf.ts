import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Offer } from "../update/offer.ts";
import type { Harm } from "../update/slots-contract.ts";

/** For tests: a server of releases with a signing key of its own, and one that nobody trusts. */
export class ReleaseShelf {
  readonly folder: string;
  readonly keyring: string;
  readonly #server: Server;

  private constructor(folder: string, server: Server) {
    this.folder = folder;
    this.keyring = join(folder, "keyring.gpg");
    this.#server = server;
  }

  static async open(host = "127.0.0.1"): Promise<ReleaseShelf> {
    const folder = await mkdtemp(join(tmpdir(), "argosy-shelf-"));
    const server = createServer((request, response) => {
      const [release = "", name = ""] = (request.url ?? "").split("/").slice(1).map(decodeURIComponent);
      try {
        const content = readFileSync(join(folder, "releases", basename(release), basename(name)));
        response.writeHead(200, { "Content-Length": content.length });
        response.end(content);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const shelf = new ReleaseShelf(folder, server);
    for (const who of ["good", "stranger"]) {
      mkdirSync(join(folder, who), { mode: 0o700 });
      shelf.#gpg(who, "--quick-gen-key", "--passphrase", "", `${who}@example.com`, "ed25519", "sign", "0");
    }
    writeFileSync(shelf.keyring, shelf.#gpg("good", "--export"));
    return shelf;
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}/`;
  }

  /** Publishes app_VERSION.img, with what `harm` does to it. */
  publish(version: string, harm?: Harm): Offer {
    const name = harm === undefined ? version : `${version}-${harm}`;
    const folder = join(this.folder, "releases", name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const content = Buffer.from(`version ${version}\n`.repeat(10_000));
    const image = join(folder, `app_${version}.img`);
    writeFileSync(image, content);
    const list = `${createHash("sha256").update(content).digest("hex")}  app_${version}.img\n`;
    writeFileSync(join(folder, "SHA256SUMS"), list);
    const signer = harm === "key" ? "stranger" : "good";
    this.#gpg(
      signer,
      "--yes",
      "--detach-sign",
      "-o",
      join(folder, "SHA256SUMS.gpg"),
      join(folder, "SHA256SUMS"),
    );
    if (harm === "list")
      writeFileSync(
        join(folder, "SHA256SUMS"),
        list.replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
      );
    if (harm === "no-signature") rmSync(join(folder, "SHA256SUMS.gpg"));
    if (harm === "swapped") writeFileSync(image, `version 0\n`.repeat(10_000));
    if (harm === "truncated") writeFileSync(image, content.subarray(0, 1000));
    if (harm === "gone") rmSync(image);
    const published = readFileSync(join(folder, "SHA256SUMS"));
    const digest = harm === "digest" ? "0".repeat(64) : createHash("sha256").update(published).digest("hex");
    return {
      version,
      folders: [`${this.url}${name}/`],
      digest,
      size: content.length,
      mostFailures: 10,
      noBackoff: true,
    };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    for (const who of ["good", "stranger"]) {
      execFileSync("gpgconf", ["--homedir", join(this.folder, who), "--kill", "all"], { stdio: "ignore" });
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  #gpg(who: string, ...words: readonly string[]): Buffer {
    const home = ["--homedir", join(this.folder, who), "--batch", "--quiet"];
    return execFileSync("gpg", [...home, ...words], { stdio: ["ignore", "pipe", "ignore"] });
  }
}
