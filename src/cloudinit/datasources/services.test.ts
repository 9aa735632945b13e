import assert from "node:assert/strict";
import { test } from "node:test";
import { configDriveSource } from "./config-drive.ts";
import { credentialSource } from "./credential.ts";
import type { SourceAccess } from "./datasource.ts";
import { gceSource } from "./gce.ts";
import { packetSource } from "./packet.ts";

/** A world with these files and answers; `headers` gets those of the last request. */
function world(
  content: Readonly<Record<string, string>>,
  headers: Record<string, string> = {},
): SourceAccess {
  const bytes = (key: string): Uint8Array | undefined =>
    content[key] === undefined ? undefined : Buffer.from(content[key]);
  return {
    readFile: async (path) => bytes(path),
    get: async (url, given = {}) => {
      Object.assign(headers, given);
      return bytes(url);
    },
    output: async () => undefined,
  };
}

test("GCE's service is asked in the way that it wants, and gives a name and both addresses", async () => {
  const home = "http://gce/computeMetadata/v1/instance";
  const headers: Record<string, string> = {};
  const access = world(
    {
      [`${home}/hostname`]: "harbour.internal\n",
      [`${home}/network-interfaces/0/ip`]: "10.0.0.7",
      [`${home}/network-interfaces/0/access-configs/0/external-ip`]: "203.0.113.7",
      [`${home}/attributes/user-data`]: "#cloud-config\n",
    },
    headers,
  );
  const source = gceSource("http://gce/", access);
  assert.equal(await source.isAvailable(), true);
  assert.deepEqual(headers, { "Metadata-Flavor": "Google" });
  assert.deepEqual(await source.metadata(), {
    publicIpv4: "203.0.113.7",
    privateIpv4: "10.0.0.7",
    hostname: "harbour.internal",
  });
  assert.equal(Buffer.from(await source.userData()).toString(), "#cloud-config\n");
});

test("Packet's service gives the first address of each kind, keys, and the network for later", async () => {
  const network = {
    addresses: [
      { address: "203.0.113.7", address_family: 4, public: true },
      { address: "2001:db8::7", address_family: 6, public: true },
      { address: "10.0.0.7", address_family: 4, public: false },
    ],
  };
  const body = { hostname: "harbour", ssh_keys: ["key"], network };
  const source = packetSource("http://packet/", world({ "http://packet/metadata": JSON.stringify(body) }));
  assert.deepEqual(await source.metadata(), {
    network,
    sshKeys: { 0: "key" },
    hostname: "harbour",
    publicIpv4: "203.0.113.7",
    privateIpv4: "10.0.0.7",
    publicIpv6: "2001:db8::7",
  });
  assert.equal((await source.userData()).length, 0, "a machine without user-data has none");
});

test("a config-drive may hold metadata alone, and names the file of its network", async () => {
  const metadata = {
    hostname: "harbour",
    public_keys: { mine: "key" },
    network_config: { content_path: "content/0" },
  };
  const access = world({
    "/media/d/openstack/latest/meta_data.json": JSON.stringify(metadata),
    "/media/d/openstack/content/0": "auto lo\n",
  });
  const source = configDriveSource("/media/d/", access);
  assert.equal(await source.isAvailable(), true);
  assert.equal((await source.userData()).length, 0);
  assert.deepEqual(await source.metadata(), {
    hostname: "harbour",
    sshKeys: { mine: "key" },
    network: "auto lo\n",
  });
});

test("a credential is that of the unit, else the machine's, under either name", async () => {
  const text = async (folder: string | undefined, path: string): Promise<string> => {
    const source = credentialSource(folder, world({ [path]: "#cloud-config\n" }));
    assert.equal(await source.isAvailable(), true);
    return Buffer.from(await source.userData()).toString();
  };
  assert.equal(await text("/run/c/unit", "/run/c/unit/cloud-config"), "#cloud-config\n");
  assert.equal(await text(undefined, "/run/credentials/@system/user-data"), "#cloud-config\n");
  assert.equal(await credentialSource("/run/c/unit", world({})).isAvailable(), false);
});
