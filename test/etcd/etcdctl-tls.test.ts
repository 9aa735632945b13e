import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { type Ran, runEtcdctl } from "../../src/etcdctl/fake-server.ts";
import { type Certificates, makeCertificates } from "./certificates.ts";

/** etcdctl 3.4 of Debian's etcd-client. */
const original = "/usr/bin/etcdctl";

/** `CA` and so on stand for files, `URL` for the server that wants certificates from its clients. */
const lines: readonly string[] = [
  "--ca-file CA --cert-file CERT --key-file KEY set /a b",
  "--ca-file CA --cert-file CERT --key-file KEY get /a",
  "--ca-file CA --cert-file CERT --key-file KEY -o json ls --sort",
  "--ca-file CA --cert-file CERT --key-file KEY cluster-health",
  "--ca-file CA --cert-file CERT --key-file KEY member list",
  "--ca-file CA --cert-file CERT --key-file KEY rm /none",
  "--ca-file CA get /a",
  "--no-sync --ca-file CA get /a",
  "get /a",
  "--no-sync get /a",
  "--ca-file OTHER --cert-file CERT --key-file KEY get /a",
  "--cert-file CERT --ca-file CA get /a",
  "--key-file KEY get /a",
  "--ca-file CA --cert-file CERT --key-file SERVERKEY get /a",
  "--ca-file CA --cert-file CSR --key-file KEY get /a",
  "--ca-file /none --cert-file CERT --key-file KEY get /a",
  "--ca-file CA --cert-file /none --key-file KEY get /a",
  "--ca-file CA --cert-file CERT --key-file KEY --endpoints PLAINURL get /a",
  "--ca-file CA --cert-file CERT --key-file KEY --no-sync --endpoints OTHERURL get /a",
];

test("command lines with certificates end as with Debian's etcdctl", async () => {
  await using certificates = await makeCertificates();
  await using server = await startSecureEtcd(certificates);
  const meanings: Readonly<Record<string, string>> = {
    CA: certificates.file("ca.pem"),
    OTHER: certificates.file("other.pem"),
    CERT: certificates.file("client.pem"),
    KEY: certificates.file("client.key"),
    CSR: certificates.file("extensions"),
    SERVERKEY: certificates.file("server.key"),
    PLAINURL: server.endpoint.replace("https:", "http:"),
    OTHERURL: server.endpoint.replace("127.0.0.1", "127.0.0.2"),
  };
  const variables = { ETCDCTL_API: "2", ETCDCTL_ENDPOINTS: server.endpoint };
  for (const line of lines) {
    const words = line.split(" ").map((word) => meanings[word] ?? word);
    const theirs = await runOriginal(words, variables);
    const ours = await runEtcdctl(words, { variables });
    assert.deepEqual({ line, ...comparable(ours) }, { line, ...comparable(theirs) });
  }
  const files = {
    ETCDCTL_CA_FILE: certificates.file("ca.pem"),
    ETCDCTL_CERT_FILE: certificates.file("client.pem"),
    ETCDCTL_KEY_FILE: certificates.file("client.key"),
  };
  const ran = await runEtcdctl(["set", "/b", "by variables"], { variables: { ...variables, ...files } });
  assert.deepEqual(ran, { code: 0, stdout: "by variables\n", stderr: "" });
});

/** Without what differs from run to run, also of one program. */
function comparable({ code, stdout, stderr }: Ran): Ran {
  // Both programs write to one server, so that the second finds the first one's index.
  const hide = (text: string): string => text.replaceAll(/"(created|modified)Index":\d+|\[\d+\]/g, "INDEX");
  // Go names the place where it read a server's alert only when that came before the request was on its way.
  return { code, stdout: hide(stdout), stderr: hide(stderr).replaceAll("readLoopPeekFailLocked: ", "") };
}

async function runOriginal(words: readonly string[], env: Record<string, string>): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>();
  const child = execFile(original, words, { env }, (error, stdout, stderr) => {
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
  });
  child.stdin?.end();
  return await promise;
}

interface SecureEtcd extends AsyncDisposable {
  readonly endpoint: string;
}

/** One etcd that serves the v2 API over TLS, and only to clients with a certificate. */
async function startSecureEtcd(certificates: Certificates): Promise<SecureEtcd> {
  const [clientPort, peerPort] = await freePorts();
  // All of 127.0.0.0/8 leads here, also an address that the certificate does not name.
  const endpoint = `https://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const settings = [
    ["--enable-v2=true", "--client-cert-auth"],
    ["--data-dir", certificates.file("data"), "--name", "secure"],
    ["--listen-client-urls", `https://0.0.0.0:${clientPort}`, "--advertise-client-urls", endpoint],
    [
      "--listen-peer-urls",
      peer,
      "--initial-advertise-peer-urls",
      peer,
      "--initial-cluster",
      `secure=${peer}`,
    ],
    ["--cert-file", certificates.file("server.pem"), "--key-file", certificates.file("server.key")],
    ["--trusted-ca-file", certificates.file("ca.pem")],
  ];
  const child = spawn("etcd", settings.flat(), { stdio: ["ignore", "ignore", "pipe"] });
  const endWithUs = (): void => void child.kill("SIGKILL");
  process.on("exit", endWithUs);
  let log = "";
  for await (const text of child.stderr.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
    log += String(text);
    if (/serving client requests on|serving client traffic/.test(log)) break;
  }
  child.stderr.resume();
  if (child.exitCode !== null) throw new Error(`etcd did not start:\n${log}`);
  return {
    endpoint,
    async [Symbol.asyncDispose]() {
      process.off("exit", endWithUs);
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** Two ports that were free a moment ago. */
async function freePorts(): Promise<readonly number[]> {
  const servers = [createServer().listen(0), createServer().listen(0)];
  await Promise.all(servers.map(async (server) => await once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map(async (server) => await once(server.close(), "close")));
  return ports;
}
