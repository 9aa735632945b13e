import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expectProgram, runProgram } from "../src/lab/programs.ts";
import { Fault, sentenceOf } from "../src/lib/fault.ts";

/** A key that signs releases: gpg does it, in a home of its own or in the user's. */
export interface SigningKey {
  /** The public half, as machines need it (import-pubring.gpg), in a file that goes away with the key. */
  readonly keyring: string;
  /** Signs something small, so that a key without its secret half is told before a build that takes minutes. Throws Fault `bad-key`. */
  check(): Promise<void>;
  /** Writes FILE.gpg, a detached signature of the file. */
  sign(file: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * @param key a file with a secret key, as `gpg --export-secret-keys` writes it, or the name of one in the user's own keyring
 * Throws Fault `bad-key`.
 */
export async function signingKey(key: string): Promise<SigningKey> {
  // Short: gpg's agent listens on a socket in it, and paths of sockets may have 107 bytes.
  const folder = await mkdtemp(`${tmpdir()}/argosy-key-`);
  const ownHome = (await stat(key).catch(() => undefined))?.isFile() === true;
  const home = ownHome ? ["--homedir", folder] : [];
  const gpg = async (words: readonly string[]): Promise<void> => {
    const { code, stderr } = await runProgram("gpg", [...home, "--batch", "--yes", "--quiet", ...words]);
    if (code === 0) return;
    throw new Fault(
      "bad-key",
      `cannot sign with "${key}" (${stderr.trim().split("\n").at(-1)}); give --key a file that gpg --export-secret-keys wrote, or the name of a key that gpg --list-secret-keys shows`,
    );
  };
  const remove = async (): Promise<void> => {
    if (ownHome) await runProgram("gpgconf", ["--homedir", folder, "--kill", "all"]);
    await rm(folder, { recursive: true, force: true });
  };
  const keyring = `${folder}/public.gpg`;
  try {
    if (ownHome) await gpg(["--import", key]);
    await gpg(["--output", keyring, "--export", ...(ownHome ? [] : [key])]);
    // gpg calls it a success when there was nothing to export.
    if ((await stat(keyring).catch(() => undefined)) === undefined)
      throw new Fault("bad-key", `there is no key "${key}"; gpg --list-secret-keys shows those there are`);
  } catch (error) {
    await remove();
    throw error;
  }
  const sign = async (file: string): Promise<void> => {
    const user = ownHome ? [] : ["--local-user", key];
    await gpg([...user, "--output", `${file}.gpg`, "--detach-sign", file]);
  };
  return {
    keyring,
    check: async () => await sign(keyring),
    sign,
    [Symbol.asyncDispose]: remove,
  };
}

/**
 * Makes a key without a passphrase and writes its secret half to a new file, for tests and for first steps. Throws Fault
 * `no-key-file`, also where there is a file: a key that is lost takes the updates of all machines that know it with it.
 */
export async function makeSigningKey(file: string, name: string): Promise<void> {
  try {
    await writeFile(file, "", { flag: "wx", mode: 0o600 });
  } catch (error) {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new Fault(
      "no-key-file",
      isThere
        ? `${file} is there already, and machines may take updates only from its key; give another name, or remove it`
        : `cannot write ${file}: ${sentenceOf(error)}`,
      { cause: error },
    );
  }
  const folder = await mkdtemp(`${tmpdir()}/argosy-key-`);
  const gpg = [
    "--homedir",
    folder,
    "--batch",
    "--yes",
    "--quiet",
    "--pinentry-mode",
    "loopback",
    "--passphrase",
    "",
  ];
  try {
    await expectProgram("gpg", [...gpg, "--quick-generate-key", name, "ed25519", "sign", "never"]);
    await expectProgram("gpg", [...gpg, "--output", file, "--export-secret-keys"]);
  } catch (error) {
    await rm(file);
    throw error;
  } finally {
    await runProgram("gpgconf", ["--homedir", folder, "--kill", "all"]);
    await rm(folder, { recursive: true, force: true });
  }
}
