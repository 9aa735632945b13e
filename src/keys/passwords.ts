import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { Fault } from "../lib/fault.ts";

/** The work of one hash: 16 MiB of memory and about 50 ms (scrypt, RFC 7914). */
const cost = { N: 2 ** 14, r: 8, p: 1 } as const;
const saltBytes = 16;
const hashBytes = 32;

/** Hashes that may be under way or wait; each occupies a thread, and more would keep the files waiting. */
const mostHashes = 64;
/** Proofs that are remembered, so that a client with a good password pays for it once. */
const mostProven = 1_000;

/** Hashes and checks passwords, off the main thread. */
export class Passwords {
  readonly #mostAtOnce: number;
  #underWay = 0;
  /** Digests of kept hash and password together that were found to fit, the oldest first. */
  readonly #proven = new Set<string>();

  /** @param mostAtOnce how many hashes may be under way */
  constructor(mostAtOnce = mostHashes) {
    this.#mostAtOnce = mostAtOnce;
  }

  /** What is kept in place of a password. Throws Fault `passwords-busy`. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    const hash = await this.#derive(password, salt);
    return `scrypt:${salt.toString("base64")}:${hash.toString("base64")}`;
  }

  /** Whether a password is the one that is kept. Throws Fault `passwords-busy`. */
  async fits(password: string, kept: string): Promise<boolean> {
    const digest = createHash("sha256").update(`${kept}\n${password}`).digest("base64");
    if (this.#proven.has(digest)) return true;
    const [kind, salt = "", hash = ""] = kept.split(":");
    const expected = Buffer.from(hash, "base64");
    if (kind !== "scrypt" || expected.length !== hashBytes) return false;
    const came = await this.#derive(password, Buffer.from(salt, "base64"));
    if (!timingSafeEqual(came, expected)) return false;
    this.#proven.add(digest);
    const [oldest] = this.#proven;
    if (this.#proven.size > mostProven && oldest !== undefined) this.#proven.delete(oldest);
    return true;
  }

  async #derive(password: string, salt: Buffer): Promise<Buffer> {
    if (this.#underWay >= this.#mostAtOnce) {
      throw new Fault(
        "passwords-busy",
        `more than ${this.#mostAtOnce} passwords are being checked: try again later`,
      );
    }
    this.#underWay++;
    try {
      return await new Promise<Buffer>((resolve, reject) =>
        scrypt(password, salt, hashBytes, cost, (error, hash) => {
          if (error === null) resolve(hash);
          else reject(error);
        }),
      );
    } finally {
      this.#underWay--;
    }
  }
}
