import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudSigmaSource } from "./cloudsigma.ts";
import type { SourceAccess } from "./datasource.ts";

const context = {
  name: "harbour",
  uuid: "1234",
  meta: {
    "cloudinit-user-data": "I2Nsb3VkLWNvbmZpZwo=",
    base64_fields: "other, cloudinit-user-data",
    ssh_public_key: "ssh-ed25519 AAAA captain",
  },
  nics: [
    { mac: "22:00:00:00:00:01", ip_v4_conf: { ip: { uuid: "203.0.113.7" } } },
    { mac: "22:00:00:00:00:02", vlan: { uuid: "5678" } },
  ],
};
const links = [{ address: "22:00:00:00:00:02", addr_info: [{ family: "inet", local: "10.0.0.7" }] }];

function machine(product: string, leases: string, answer: unknown = context): SourceAccess {
  return {
    readFile: async () => Buffer.from(`${product}\n`),
    get: async () => undefined,
    output: async ([program]) =>
      program === "ls" ? leases : JSON.stringify(program === "ip" ? links : answer),
  };
}

test("the server context gives user-data, a name, a key and both addresses", async () => {
  const source = cloudSigmaSource(machine("CloudSigma", "2\n"));
  assert.equal(await source.isAvailable(), true);
  assert.equal(Buffer.from(await source.userData()).toString(), "#cloud-config\n");
  assert.deepEqual(await source.metadata(), {
    sshKeys: { captain: "ssh-ed25519 AAAA captain" },
    hostname: "harbour",
    publicIpv4: "203.0.113.7",
    privateIpv4: "10.0.0.7",
  });
});

test("without a name the machine is called by its number, and user-data may be plain", async () => {
  const plain = { uuid: "1234", meta: { "cloudinit-user-data": "#!/bin/sh\n" } };
  const source = cloudSigmaSource(machine("CloudSigma", "2\n", plain));
  assert.deepEqual(await source.metadata(), { hostname: "1234" });
  assert.equal(Buffer.from(await source.userData()).toString(), "#!/bin/sh\n");
});

test("nobody is asked elsewhere, or before the network is there", async () => {
  assert.equal(await cloudSigmaSource(machine("Standard PC", "2\n")).isAvailable(), false);
  assert.equal(await cloudSigmaSource(machine("CloudSigma", "")).isAvailable(), false);
});
