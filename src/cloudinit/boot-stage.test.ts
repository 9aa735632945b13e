import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeEnv } from "../lib/fake-env.ts";
import { Fault } from "../lib/fault.ts";
import { applyUserData, type BootStage, findUserData } from "./apply.ts";
import type { Machine } from "./carry-out.ts";
import type { Datasource, SourceAccess } from "./datasources/datasource.ts";
import { fileSource } from "./datasources/file.ts";

const text = `#cloud-config
hostname: harbour
ssh_authorized_keys: [key]
write_files:
  - {path: /etc/a, content: "$private_ipv4"}
  - {path: /run/b, content: b}
coreos:
  fleet: {public-ip: $private_ipv4}
  units:
    - {name: 10-static.network, content: "[Match]"}
    - {name: fleet.service, command: start}
`;

interface Run {
  readonly code: number;
  readonly done: readonly string[];
  readonly said: readonly string[];
  readonly later: number;
}

/** Applies a text as a stage of a boot, on a machine that writes down what is done to it. */
async function boot(
  userData: string,
  stage: { readonly early: boolean; readonly found?: string },
  more: { readonly metadata?: Datasource["metadata"]; readonly broken?: string } = {},
): Promise<Run> {
  const done: string[] = [];
  const said: string[] = [];
  let later = 0;
  const note = async (line: string): Promise<void> => {
    if (line.includes(more.broken ?? "nothing")) throw new Fault("file-unwritable", `Cannot do ${line}.`);
    done.push(line);
  };
  const machine: Machine = {
    writeFile: async (path, content) => await note(`write ${path} ${Buffer.from(content).toString()}`),
    mask: async (path) => await note(`mask ${path}`),
    unmask: async () => true,
    run: async (program) => await note(program.join(" ")),
    authorizeKeys: async (user, _, keys) => await note(`keys of ${user}: ${keys.join()}`),
    fetchText: async () => '[{"key": "fetched"}]',
    hostname: async () => "harbour",
    enable: async (unit) => await note(`enable ${unit}`),
    reload: async () => await note("reload"),
    job: async (method, unit) => {
      await note(`${method} ${unit}`);
      return undefined;
    },
    linksDown: async () => {},
    script: async () => await note("script"),
  };
  const address = stage.found;
  const bootStage: BootStage = {
    addresses: async () => (address === undefined ? {} : { COREOS_PRIVATE_IPV4: address }),
    ...(stage.early ? { later: async () => void later++ } : {}),
  };
  const code = await applyUserData(
    {
      name: "test",
      askedOnce: true,
      isAvailable: async () => true,
      userData: async () => Buffer.from(userData),
      metadata: more.metadata ?? (async () => ({})),
    },
    { ignoreFailure: false, convertNetwork: undefined, workspace: "/w", variables: {}, boot: bootStage },
    {
      machine,
      facts: { users: new Set(), files: {}, sshKeyName: "k" },
      journal: { note: (line) => void said.push(line), error: (line) => void said.push(line) },
      print: (line) => void said.push(line),
    },
  );
  return { code, done, said, later };
}

test("before the network, what needs no address is done, and the rest is left to a later stage", async () => {
  const { code, done, later } = await boot(text, { early: true });
  assert.deepEqual(done, [
    "hostnamectl set-hostname harbour",
    "keys of core: key",
    "write /etc/systemd/network/10-static.network [Match]",
  ]);
  assert.equal(later, 1);
  assert.equal(code, 0);
});

test("where the address is known everything is done at once, with it", async () => {
  for (const early of [true, false]) {
    const { done, later } = await boot(text, { early, found: "10.0.0.7" });
    assert.ok(done.includes("write /etc/a 10.0.0.7"), done.join("\n"));
    assert.ok(done.includes("write /etc/environment COREOS_PRIVATE_IPV4=10.0.0.7\n"));
    assert.equal(done.at(-1), "StartUnit fleet.service");
    assert.equal(later, 0);
  }
});

test("behind the network nothing is left: an address that nobody has becomes nothing, and that is told", async () => {
  const { done, said } = await boot(text, { early: false });
  assert.ok(done.includes("write /etc/a "), done.join("\n"));
  assert.ok(
    said.some((line) => line.startsWith("$private_ipv4 is used")),
    said.join("\n"),
  );
});

test("keys that have to be fetched wait for the network", async () => {
  const user = "#cloud-config\nusers: [{name: mate, coreos_ssh_import_url: 'http://keys'}]\n";
  const early = await boot(user, { early: true });
  assert.deepEqual([early.done.length, early.later], [1, 1]);
  const late = await boot(user, { early: false });
  assert.ok(late.done.includes("keys of mate: fetched"));
});

test("at boot a failure is told and keeps nothing else from being done", async () => {
  const { code, done, said } = await boot(text, { early: false, found: "10.0.0.7" }, { broken: "/etc/a" });
  assert.equal(code, 1);
  assert.ok(said.some((line) => line.includes("Cannot do write /etc/a")));
  assert.ok(done.includes("write /run/b b"));
  assert.equal(done.at(-1), "StartUnit fleet.service");
});

test("at boot user-data is applied also where metadata cannot be had", async () => {
  const metadata = async (): Promise<never> => await Promise.reject(new Fault("no-answer", "nobody answers"));
  const { code, done } = await boot(text, { early: false, found: "10.0.0.7" }, { metadata });
  assert.equal(code, 1);
  assert.ok(done.includes("keys of core: key"));
  assert.equal(done.at(-1), "StartUnit fleet.service");
});

test("nobody is told at boot that etcd and fleet are gone, but a mistake is", async () => {
  const { said } = await boot(text.replace("public-ip", "public-ipp"), { early: false, found: "10.0.0.7" });
  assert.deepEqual(said, ['line 0: warning: unrecognized key "public_ipp"']);
});

test("a file that is there and cannot be read is found at once, so that it is told why", async () => {
  const access: SourceAccess = {
    readFile: async () => await Promise.reject(new Fault("file-unreadable", "it is too long")),
    get: async () => undefined,
    output: async () => undefined,
  };
  const found = await findUserData([fileSource("/a", access)], new FakeEnv());
  assert.equal(found?.name, "local file /a");
});
