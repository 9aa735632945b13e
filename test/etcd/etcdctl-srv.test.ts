import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { makeCertificates } from "./certificates.ts";
import type { Ran } from "../../src/etcdctl/fake-server.ts";
import { startForeground } from "../differential/foreground.ts";
import { type Answers, startNameServer } from "../nspawn/name-server.ts";

/** Of this machine, and nobody else's. */
const nameServer = "127.0.0.66";

const programs = {
  "Debian's etcdctl": ["/usr/bin/etcdctl"],
  "our etcdctl": [
    process.execPath,
    fileURLToPath(new URL("../../bin/argosy.ts", import.meta.url)),
    "etcdctl",
  ],
};

test("servers are found by DNS SRV records, as Debian's etcdctl finds them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-srv-"));
  await using server = await startForeground();
  const port = Number(new URL(server.origin).port);
  await using secure = await startSecureServer();
  const names = await startNameServer(53, zone(port, secure.port), nameServer);
  try {
    const resolver = join(folder, "resolv.conf");
    await writeFile(resolver, `nameserver ${nameServer}\n`);
    // Asked by a name server of its own, and of no other: in a name space where /etc/resolv.conf is another file.
    const ask = async (program: readonly string[], line: string): Promise<Ran> => {
      const script = `mount --bind ${resolver} /etc/resolv.conf && exec "$@"`;
      return await run(["unshare", "--mount", "sh", "-c", script, "sh", ...program, ...line.split(" ")]);
    };
    for (const [name, program] of Object.entries(programs)) {
      const domain = "--discovery-srv plain.test";
      const key = `/${name.length}`;
      const open = await ask(program, `${domain} --insecure-discovery --no-sync set ${key} found`);
      assert.deepEqual([open.code, open.stdout], [0, "found\n"], `${name}: ${open.stderr}`);
      const synced = await ask(program, `${domain} --insecure-discovery get ${key}`);
      assert.deepEqual([synced.code, synced.stdout], [0, "found\n"], `${name}: ${synced.stderr}`);
      const careful = await ask(program, `${domain} --no-sync get ${key}`);
      assert.notEqual(careful.code, 0, name);
      assert.match(
        careful.stderr,
        new RegExp(`ignoring discovered insecure endpoint "http://m1\\.plain\\.test\\.:${port}"`),
        name,
      );
      const safe = `--discovery-srv secure.test --no-sync --ca-file ${secure.caFile} get /safe`;
      const safely = await ask(program, safe);
      assert.deepEqual([safely.code, safely.stdout], [0, "secure.test\n"], `${name}: ${safely.stderr}`);
      // Whose certificate is for the name of the machine alone could be anybody.
      const unsafe = `--discovery-srv other.test --no-sync --ca-file ${secure.caFile} get /safe`;
      const unsafely = await ask(program, unsafe);
      assert.equal(unsafely.code, 4, name);
      assert.match(unsafely.stderr, /x509: certificate is valid for secure\.test, not other\.test\n/, name);
      const nowhere = await ask(program, `--discovery-srv none.test --no-sync get ${key}`);
      assert.equal(nowhere.code, 1, name);
      assert.match(nowhere.stderr, /dns lookup errors: .*_etcd-client-ssl\._tcp\.none\.test/, name);
    }
  } finally {
    names.close();
    await rm(folder, { recursive: true });
  }
});

/** A server without TLS in the domain plain.test, one with it in secure.test and other.test, and nothing in any other. */
function zone(plainPort: number, securePort: number): Answers {
  return (type, name) => {
    if (type === "SRV" && name === "_etcd-client._tcp.plain.test")
      return [{ port: plainPort, target: "m1.plain.test" }];
    if (type === "SRV" && /^_etcd-client-ssl\._tcp\.(secure|other)\.test$/.test(name))
      return [{ port: securePort, target: "secure.test" }];
    return type === "A" && ["m1.plain.test", "secure.test"].includes(name) ? [{ address: "127.0.0.1" }] : [];
  };
}

interface SecureServer extends AsyncDisposable {
  readonly port: number;
  readonly caFile: string;
}

/** Answers that every key holds the name by which the client asked for the server's certificate. */
async function startSecureServer(): Promise<SecureServer> {
  const certificates = await makeCertificates();
  const [key, cert] = await Promise.all(
    ["server.key", "server.pem"].map(async (file) => await readFile(certificates.file(file))),
  );
  const server = createServer({ ...(key && { key }), ...(cert && { cert }) }, (request, response) => {
    const value = String((request.socket as TLSSocket).servername);
    const node = { key: "/safe", value, modifiedIndex: 1, createdIndex: 1 };
    response.setHeader("Content-Type", "application/json").setHeader("X-Etcd-Index", "1");
    response.end(JSON.stringify({ action: "get", node }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    caFile: certificates.file("ca.pem"),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await certificates[Symbol.asyncDispose]();
    },
  };
}

async function run([program = "", ...words]: readonly string[]): Promise<Ran> {
  const env = { PATH: process.env.PATH, ETCDCTL_API: "2" };
  return await new Promise((resolve) => {
    execFile(program, words, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
