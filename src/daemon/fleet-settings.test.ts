import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readTls } from "./etcd-tls.ts";
import { usualFleet } from "../fleet/fleet-name.ts";
import { fleetSettings, settingsWithoutEffect } from "./fleet-settings.ts";
import { readSettings } from "./settings.ts";

/** Every key of fleet v1.0.0 with a value it took. */
const original: Readonly<Record<string, string>> = {
  verbosity: "1",
  etcd_servers: '["http://10.0.0.1:2379", "http://10.0.0.2:2379"]',
  etcd_username: "root",
  etcd_password: "secret",
  etcd_keyfile: "/a.key",
  etcd_certfile: "/a.crt",
  etcd_cafile: "/ca.crt",
  etcd_key_prefix: "/_coreos.com/fleet/",
  etcd_request_timeout: "1.0",
  engine_reconcile_interval: "2.0",
  public_ip: "10.0.0.1",
  metadata: "region=eu, disk=ssd",
  agent_ttl: "30s",
  units_directory: "/run/fleet/units/",
  systemd_user: "false",
  token_limit: "100",
  enable_grpc: "false",
  disable_engine: "true",
  disable_watches: "true",
  verify_units: "false",
  authorized_keys_file: "~/.ssh/authorized_keys",
};

function read(text: string, environment: Readonly<Record<string, string>> = {}) {
  return readSettings(fleetSettings, environment, { path: "/etc/fleet/fleet.conf", text });
}

test("every key of fleet v1.0.0 is known, in the file and as FLEET_*", () => {
  const text = Object.entries(original).map(([key, value]) => `${key}=${value}`);
  const fromFile = read(text.join("\n"));
  assert.deepEqual(fromFile.problems, []);
  const variables = Object.fromEntries(
    Object.entries(original).map(([key, value]) => [`FLEET_${key.toUpperCase()}`, value]),
  );
  const fromVariables = readSettings(fleetSettings, variables);
  assert.deepEqual(fromVariables.settings, fromFile.settings);
  const { etcdServers, agentTtlMs, metadata, disableEngine } = fromFile.settings;
  assert.deepEqual(
    { etcdServers, agentTtlMs, metadata, disableEngine },
    {
      etcdServers: ["http://10.0.0.1:2379", "http://10.0.0.2:2379"],
      agentTtlMs: 30_000,
      metadata: { region: "eu", disk: "ssd" },
      disableEngine: true,
    },
  );
});

test("every key may be empty, and is as if it were not there", () => {
  const text = Object.keys(original).map((key) => `${key}=""`);
  const fromFile = read(text.join("\n"));
  assert.deepEqual(fromFile, { settings: readSettings(fleetSettings, {}).settings, problems: [] });
  assert.deepEqual(settingsWithoutEffect(fromFile.settings), []);
});

test("values that fleet v1.0.0 took are taken", () => {
  const { settings } = read(
    "verbosity=-1\netcd_request_timeout=0\nengine_reconcile_interval=.5\nagent_ttl=1m30s\n",
  );
  assert.deepEqual([settings.verbosity, settings.agentTtlMs], [-1, 90_000]);
  assert.equal(read("verbosity=11").settings.verbosity, 11);
});

test("etcd_key_prefix names the fleet, however it is spelled", () => {
  const fleetIn = (value: string): string => read(`etcd_key_prefix=${value}`).settings.etcdKeyPrefix;
  for (const value of ["", "/_coreos.com/fleet/", "_coreos.com/fleet", "//_coreos.com/./fleet"])
    assert.equal(fleetIn(value), usualFleet, value);
  for (const value of ["/team/a", "team/a/", "/team//a", "/team/b/../a"])
    assert.equal(fleetIn(value), "/team/a");
  assert.equal(fleetIn("/"), "/");
  const { settings } = readSettings(fleetSettings, { FLEET_ETCD_KEY_PREFIX: "/fleet_functional/one" });
  assert.equal(settings.etcdKeyPrefix, "/fleet_functional/one");
});

test("settings that do nothing here are told, and those that ask for nothing are not", () => {
  const all = settingsWithoutEffect(
    read(
      Object.entries(original)
        .map(([key, value]) => `${key}=${value}`)
        .join("\n"),
    ).settings,
  );
  assert.deepEqual(
    all.map((sentence) => /^the setting (\S+) has no effect: /.exec(sentence)?.[1] ?? sentence),
    [
      "etcd_request_timeout",
      "etcd_username",
      "etcd_password",
      "engine_reconcile_interval",
      "disable_watches",
      "Config option authorized_keys_file is no longer supported - ignoring",
    ],
  );
  assert.deepEqual(settingsWithoutEffect(read("").settings), []);
});

test("a bad value is refused with its file and line, also where it has no effect", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["agent_ttl=30", /\/etc\/fleet\/fleet\.conf:2: agent_ttl is "30", but must be a length of time/],
    [
      "etcd_request_timeout=soon",
      /fleet\.conf:2: etcd_request_timeout is "soon", but must be a number of seconds/,
    ],
    ["units_directory=units", /fleet\.conf:2: units_directory is "units", but must be an absolute path/],
    ["disable_engine=maybe", /fleet\.conf:2: disable_engine is "maybe", but must be true or false/],
    ["token_limit=0", /fleet\.conf:2: token_limit is "0", but must be a whole number from 1 to 65535/],
    [
      `etcd_key_prefix=/${"é".repeat(100)}`,
      /fleet\.conf:2: etcd_key_prefix is .* but must be a path of at most 200 bytes/,
    ],
    ["etcd_key_prefix=/a\u0007b", /etcd_key_prefix is .* but must be a path without control characters/],
    ["enable_grpc=2", /fleet\.conf:2: enable_grpc is "2", but must be true or false/],
  ];
  for (const [line, sentence] of rows) assert.throws(() => read(`# first\n${line}\n`), sentence);
  assert.throws(
    () => readSettings(fleetSettings, { FLEET_AGENT_TTL: "x" }),
    /environment variable FLEET_AGENT_TTL is "x"/,
  );
});

test("files for TLS are read, and half of a pair or a missing file is told", async () => {
  const folder = await mkdtemp(join(tmpdir(), "argosy-tls-"));
  try {
    const [key, cert, ca] = ["key", "cert", "ca"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const path of [key, cert, ca]) await writeFile(path, path);
    const none = { etcdKeyFile: "", etcdCertFile: "", etcdCaFile: "" };
    assert.equal(await readTls(none), undefined);
    assert.deepEqual(await readTls({ etcdKeyFile: key, etcdCertFile: cert, etcdCaFile: ca }), {
      key,
      cert,
      ca,
    });
    assert.deepEqual(await readTls({ ...none, etcdCaFile: ca }), { ca });
    await assert.rejects(readTls({ ...none, etcdKeyFile: key }), /belong together/);
    await assert.rejects(
      readTls({ ...none, etcdCaFile: join(folder, "none") }),
      /the file that etcd_cafile names/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
