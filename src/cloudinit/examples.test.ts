import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { actionLine } from "./actions.ts";
import { checkUserData, findingLine } from "./check.ts";
import type { SourceAccess } from "./datasources/datasource.ts";
import { digitalOceanSource } from "./datasources/digitalocean.ts";
import { ec2Source } from "./datasources/ec2.ts";
import { urlOnCommandLine } from "./datasources/kernel-command-line.ts";
import { ovfEnvironmentSource } from "./datasources/vmware.ts";
import { planUserData } from "./plan.ts";

const examples = new URL("../../examples/cloud-config/", import.meta.url);

async function lines(name: string): Promise<readonly string[]> {
  const { actions, problem } = planUserData({
    text: await readFile(new URL(name, examples), "utf8"),
    metadata: { privateIpv4: "10.0.0.7" },
    variables: {},
    facts: {
      users: new Set(["core"]),
      files: { "/etc/coreos/update.conf": "" },
      sshKeyName: "coreos-cloudinit",
    },
    workspace: "/var/lib/coreos-cloudinit",
  });
  assert.equal(problem, undefined);
  return actions.map(actionLine);
}

test("nothing is wrong with any example, and each does something without stopping", async () => {
  for (const name of await readdir(examples)) {
    assert.deepEqual(checkUserData(await readFile(new URL(name, examples))), [], name);
    const planned = await lines(name);
    assert.ok(planned.length > 2, name);
    assert.deepEqual(
      planned.filter((line) => line.startsWith("stop here")),
      [],
      name,
    );
  }
});

test("nothing is wrong with any cloud-config in the manual", async () => {
  const page = await readFile(new URL("../../docs/cloud-config.md", import.meta.url), "utf8");
  const blocks = page.match(/(?<=^```\n)#cloud-config\n.*?(?=^```$)/gms) ?? [];
  assert.ok(blocks.length >= 4);
  for (const block of blocks) assert.deepEqual(checkUserData(Buffer.from(block)), [], block);
});

test("every example is told in the manual", async () => {
  const page = await readFile(new URL("../../docs/cloud-config.md", import.meta.url), "utf8");
  for (const name of await readdir(examples)) assert.ok(page.includes(`| \`${name}\` |`), name);
});

test("the example with a token sets etcd and fleet up before it starts them", async () => {
  assert.deepEqual(
    (await lines("discovery.yml")).map((line) => line.replace(/ \(.*/, "")),
    [
      "write /etc/environment",
      "write /run/systemd/system/etcd.service.d/20-cloudinit.conf",
      "remove /run/systemd/system/etcd.service if it is empty or a link to /dev/null",
      "write /run/systemd/system/fleet.service.d/20-cloudinit.conf",
      "remove /run/systemd/system/fleet.service if it is empty or a link to /dev/null",
      "make systemd read its units again",
      "start etcd.service",
      "start fleet.service",
    ],
  );
});

test("a check names the nearest key, the wanted type and the place", () => {
  const text = "#cloud-config\nhostnam: a\ncoreos:\n  units:\n    - name: a.service\n      enable: maybe\n";
  assert.deepEqual(
    checkUserData(Buffer.from(text)).map((each) => findingLine("f", each)),
    [
      'f:2:1: warning: a cloud-config has no key "hostnam", so it is left out; did you mean hostname?',
      'f:6:15: error: coreos.units[0].enable is the text "maybe", but has to be true or false, without quotes; it is left out.',
    ],
  );
  const twice =
    "#cloud-config\nhostname: a\nwrite_files: []\nhostname: b\nwrite-files: []\nusers: [&a {name: a}, {<<: *a, name: b}]\n";
  assert.deepEqual(
    checkUserData(Buffer.from(twice)).map((each) => findingLine("f", each)),
    [
      'f:4:1: warning: "hostname" stands in line 2 already; the last one counts.',
      'f:5:1: warning: "write-files" stands in line 3 already; both add up.',
    ],
  );
  assert.match(checkUserData(Buffer.from("MIME-Version: 1.0\n"))[0]?.sentence ?? "", /multipart/);
});

function answering(answers: Readonly<Record<string, string>>): SourceAccess {
  const bytes = (key: string): Uint8Array | undefined =>
    answers[key] === undefined ? undefined : Buffer.from(answers[key]);
  return {
    readFile: async (path) => bytes(path),
    get: async (url) => bytes(url),
    output: async () => undefined,
  };
}

test("EC2's metadata becomes keys, addresses and the first word of the host name", async () => {
  const source = ec2Source(
    "http://ec2/",
    answering({
      "http://ec2/2009-04-04/meta-data": "",
      "http://ec2/2009-04-04/meta-data/public-keys": "0=mine\n",
      "http://ec2/2009-04-04/meta-data/public-keys/0/openssh-key": "ssh-rsa A\n",
      "http://ec2/2009-04-04/meta-data/hostname": "one.example two.example",
      "http://ec2/2009-04-04/meta-data/local-ipv4": "10.0.0.7",
    }),
  );
  assert.equal(await source.isAvailable(), true);
  assert.deepEqual(await source.metadata(), {
    sshKeys: { mine: "ssh-rsa A" },
    hostname: "one.example",
    privateIpv4: "10.0.0.7",
  });
  assert.equal((await source.userData()).length, 0);
});

test("DigitalOcean's metadata is read from its JSON", async () => {
  const body = {
    hostname: "drop",
    public_keys: ["k"],
    interfaces: { public: [{ ipv4: { ip_address: "203.0.113.7" } }] },
  };
  const source = digitalOceanSource(
    "http://do",
    answering({ "http://do/metadata/v1.json": JSON.stringify(body) }),
  );
  assert.deepEqual(await source.metadata(), {
    sshKeys: { 0: "k" },
    hostname: "drop",
    publicIpv4: "203.0.113.7",
  });
});

test("an OVF environment gives user-data in its encoding, and the address of the private interface", async () => {
  const property = (key: string, value: string): string =>
    `<Property oe:key="guestinfo.${key}" oe:value="${value}"/>`;
  const xml = `<Environment>${property("coreos.config.data", "I2Nsb3VkLWNvbmZpZwo=")}${property(
    "coreos.config.data.encoding",
    "base64",
  )}${property("interface.0.role", "private")}${property("interface.0.ip.0.address", "10.0.0.7/24")}</Environment>`;
  const source = ovfEnvironmentSource("/ovf-env.xml", answering({ "/ovf-env.xml": xml }));
  assert.equal(Buffer.from(await source.userData()).toString(), "#cloud-config\n");
  assert.deepEqual(await source.metadata(), {
    privateIpv4: "10.0.0.7",
    network: { "interface.0.ip.0.address": "10.0.0.7/24" },
  });
});

test("the last URL on the kernel's command line counts, in either spelling", () => {
  assert.equal(
    urlOnCommandLine("quiet cloud-config-url=http://a cloud_config_url=http://b cloud-config-url="),
    "http://b",
  );
  assert.equal(urlOnCommandLine("quiet"), undefined);
});
