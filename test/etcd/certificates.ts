import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An authority and certificates that it signed, as PEM files in a folder of their own. */
export interface Certificates extends AsyncDisposable {
  readonly folder: string;
  /** A file by its name, such as `ca.pem` or `server.key`. */
  file(name: string): string;
}

/** For which names and uses a server's or client's certificate is. */
const extensions = "subjectAltName=IP:127.0.0.1,DNS:secure.test\nextendedKeyUsage=serverAuth,clientAuth\n";

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes them with openssl: `ca`, `server` and `client`, and `other`, an authority that signed nothing. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-certificates-"));
  const openssl = (...words: string[]): void =>
    void execFileSync("openssl", words, { cwd: folder, stdio: "pipe" });
  for (const name of ["ca", "other"]) {
    const subject = ["-subj", `/CN=${name}`, "-days", "30"];
    openssl("req", "-x509", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.pem`, ...subject);
  }
  await writeFile(join(folder, "extensions"), extensions);
  for (const name of ["server", "client"]) {
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions"];
    openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-out", `${name}.pem`, "-days", "30");
  }
  return {
    folder,
    file: (name) => join(folder, name),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}
