import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, afterEach, test } from "node:test";
import { promisify } from "node:util";
import { labDown, labUp } from "../../src/lab/lab.ts";
import { machineAddress } from "../../src/lab/layout.ts";
import { freeNetwork } from "../../src/lab/network.ts";
import { builtProduct } from "../../src/lab/product.ts";
import type { MemberRow } from "../../src/membership/picture.ts";
import { FleetLab } from "./fleet-lab.ts";
import { testLab } from "./lab-name.ts";

// Two members and a machine that is none, from one cloud-config: everything between them goes over TLS, and nobody without
// a certificate is let in.

const name = testLab("tls-lab");
let cluster: FleetLab | undefined;

afterEach(async (context) => {
  if ("passed" in context && !context.passed) await cluster?.printJournals();
});
after(async () => await labDown(name));

/** An authority, and a certificate of it for these addresses, as clients and servers. */
async function certificates(addresses: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const folder = await mkdtemp(`${tmpdir()}/argosy-tls-`);
  const openssl = async (...words: readonly string[]): Promise<unknown> =>
    await promisify(execFile)("openssl", words, { cwd: folder });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    const authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab authority"];
    await openssl("req", "-x509", ...curve, ...authority, "-days", "2");
    await openssl("req", ...curve, "-keyout", "key.pem", "-out", "request", "-subj", "/CN=machine");
    const names = ["127.0.0.1", ...addresses].map((address) => `IP:${address}`).join(",");
    const usage = `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`;
    await writeFile(`${folder}/usage`, usage);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    await openssl(
      "x509",
      "-req",
      "-in",
      "request",
      ...by,
      "-extfile",
      "usage",
      "-out",
      "cert.pem",
      "-days",
      "2",
    );
    const files = ["ca.pem", "cert.pem", "key.pem"];
    const read = files.map(async (file) => [file, await readFile(`${folder}/${file}`, "utf8")] as const);
    return Object.fromEntries(await Promise.all(read));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("members, machines that use them and clients of the keys speak TLS, with the files that the cloud-config names", async () => {
  await labDown(name);
  const network = await freeNetwork(name, []);
  const [one = "", two = "", three = ""] = [1, 2, 3].map((number) => machineAddress(network, number));
  const files = Object.entries(await certificates([one, two, three])).map(
    ([file, text]) => `  - path: /etc/ssl/etcd/${file}
    owner: etcd:etcd
    permissions: "0640"
    content: |
${text.replaceAll(/^(?=.)/gm, "      ")}`,
  );
  const cloudConfig = Buffer.from(`#cloud-config
write-files:
${files.join("")}coreos:
  etcd2:
    initial-cluster: one=https://${one}:2380,two=https://${two}:2380
    advertise-client-urls: https://$private_ipv4:2379
    initial-advertise-peer-urls: https://$private_ipv4:2380
    listen-client-urls: https://$private_ipv4:2379,https://$private_ipv4:4001
    listen-peer-urls: https://$private_ipv4:2380
    ca-file: /etc/ssl/etcd/ca.pem
    cert-file: /etc/ssl/etcd/cert.pem
    key-file: /etc/ssl/etcd/key.pem
    peer-ca-file: /etc/ssl/etcd/ca.pem
    peer-cert-file: /etc/ssl/etcd/cert.pem
    peer-key-file: /etc/ssl/etcd/key.pem
  units:
    - name: etcd2.service
      command: start
    - name: fleet.service
      command: start
`);
  const store = { by: "cloud-config", way: "credential", joins: true } as const;
  const product = await builtProduct(() => {});
  const lab = new FleetLab(await labUp({ name, machines: 3, store, cloudConfig, product }));
  cluster = lab;
  assert.equal(lab.machine("m1").address, one);

  const { machines } = JSON.parse(await lab.shell("m3", "argosy member list --json")) as {
    machines: readonly MemberRow[];
  };
  const roles = Object.fromEntries(
    machines.map(({ machine, member }) => [lab.nameOf(machine), member !== ""]),
  );
  assert.deepEqual(roles, { m1: true, m2: true, m3: false });
  const listed = await lab.shell("m3", "fleetctl list-machines --no-legend");
  assert.equal(listed.trim().split("\n").length, 3, listed);

  const shown = "--cacert /etc/ssl/etcd/ca.pem --cert /etc/ssl/etcd/cert.pem --key /etc/ssl/etcd/key.pem";
  const written = await lab.shell("m3", `curl -sS ${shown} -XPUT -d value=1 https://${two}:4001/v2/keys/a`);
  assert.match(written, /"action":"set"/);
  // On the machine itself the keys are served without TLS, as the socket says.
  assert.match(await lab.shell("m1", "curl -sS http://127.0.0.1:4001/v2/keys/a"), /"value":"1"/);
  const machinesText = await lab.shell("m1", "curl -sS http://127.0.0.1:4001/v2/machines");
  assert.ok(machinesText.includes(`https://${one}:4001`), machinesText);
  for (const url of [`https://${one}:4001/v2/keys/a`, `https://${one}:2379/health`]) {
    const { code } = await lab.machine("m3").exec(["curl", "-sS", "--cacert", "/etc/ssl/etcd/ca.pem", url]);
    assert.notEqual(code, 0, `${url} lets nobody in without a certificate`);
  }
  assert.equal(await lab.shell("m1", "systemctl --failed --plain --no-legend"), "");
  assert.doesNotMatch(
    await lab.shell("m1", "journalctl --sync; journalctl -b -o cat _PID=1"),
    /ordering cycle|deadlock/i,
  );

  // A boot at which the cloud-config cannot be had makes no other machine of this one.
  for (const machine of ["m2", "m3"]) {
    await lab.shell(
      machine,
      "rm -r /run/systemd/system/etcd2.service.d; systemctl daemon-reload; systemctl restart etcd",
    );
    assert.match(
      await lab.shell(machine, `curl -sS ${shown} https://$(hostname -I | cut -d' ' -f1):4001/v2/keys/a`),
      /"value":"1"/,
    );
    await lab.waitFor(`${machine} tells what it is`, async () =>
      (await lab.shell(machine, "journalctl -u etcd -o cat")).includes("it stays what it was"),
    );
  }
});
