import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { promisify } from "node:util";
import { bootUnits } from "./boot-units.ts";
import { systemdUnits, unitAliases } from "./systemd-units.ts";

/** Programs that units name; systemd complains about one that is not there. */
const programs = [
  "/usr/bin/coreos-cloudinit",
  "/usr/bin/etcd",
  "/usr/bin/udevadm",
  "/usr/lib/argosy/node",
  "/bin/sh",
  "/bin/kill",
  "/bin/bash",
  "/usr/bin/systemctl",
  "/usr/bin/systemd-notify",
];

test("systemd has nothing to say against any unit, wherever it lies", async () => {
  const root = await mkdtemp(`${tmpdir()}/argosy-units-`);
  const folder = `${root}/usr/lib/systemd/system`;
  try {
    await mkdir(folder, { recursive: true });
    await cp("/usr/lib/systemd/system", folder, { recursive: true, verbatimSymlinks: true });
    for (const path of programs) {
      await mkdir(`${root}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
      await writeFile(`${root}${path}`, "#!/bin/sh\n", { mode: 0o755 });
    }
    for (const [name, text] of Object.entries(systemdUnits)) {
      await rm(`${folder}/${name}`, { force: true });
      await writeFile(`${folder}/${name}`, text);
    }
    const names = Object.keys(systemdUnits).map((name) => name.replace("@.", "@etc-a.yml."));
    const { stderr, stdout } = await promisify(execFile)(
      "systemd-analyze",
      ["verify", `--root=${root}`, "--man=no", "--recursive-errors=no", ...names],
      { env: { ...process.env, SYSTEMD_LOG_LEVEL: "warning" } },
    );
    assert.equal(`${stdout}${stderr}`, "");
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test("every unit of a stage is wanted by its target and ordered before it", () => {
  const wanted = Object.entries(bootUnits)
    .filter(([name]) => name.endsWith(".target"))
    .flatMap(([, text]) => text.match(/^Wants=.*$/gm) ?? [])
    .join(" ");
  for (const [name, text] of Object.entries(bootUnits)) {
    if (!name.endsWith(".service")) continue;
    assert.match(text, /^Before=.*(?:system-config|user-config)\.target|user-configdrive/m, name);
    if (/late@|drives/.test(name)) continue;
    assert.match(wanted, new RegExp(`[= ]${name.replace("@.", "@\\S+\\.")}( |$)`), name);
  }
});

test("nothing of the boot waits for jobs of units, and what runs before the network is ordered behind nothing of it", () => {
  for (const [name, text] of Object.entries(bootUnits)) {
    if (/ExecStart=\S*coreos-cloudinit/.test(text)) assert.match(text, /coreos-cloudinit --boot /, name);
    const isEarly = text.includes("--before-network");
    assert.equal(/^Before=network-pre\.target/m.test(text), isEarly, name);
    if (isEarly) assert.doesNotMatch(text, /^After=.*(network|dbus|basic|multi-user)/m, name);
  }
});

test("services start behind what cloud-configs tell them", () => {
  for (const name of ["etcd.service", "fleet.service", "locksmithd.service", "update-engine.service"])
    assert.match(systemdUnits[name] ?? "", /^After=.*user-config\.target/m);
  assert.deepEqual(unitAliases, { "etcd2.service": "etcd.service" });
});
