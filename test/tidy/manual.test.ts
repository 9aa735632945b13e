import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";
import { labCommand } from "../../src/argosy/lab.ts";
import { argosyProgram } from "../../src/argosy/program.ts";
import { type Command, type CommandGroup, type Flag, isGroup } from "../../src/cli/command.ts";
import { cloudConfigJsonSchema, referencePage } from "../../src/cloudinit/json-schema.ts";
import { etcdSettings } from "../../src/daemon/etcd.ts";
import { updateSettings } from "../../src/daemon/update-settings.ts";
import { fleetSettings } from "../../src/daemon/fleet-settings.ts";
import { locksmithSettings } from "../../src/daemon/locksmith-settings.ts";
import { optionTable } from "../../src/fleet/options.ts";
import { etcdctlProgram } from "../../src/etcdctl/program.ts";
import { locksmithctlProgram } from "../../src/locksmithctl/program.ts";
import { fleetctlProgram } from "../../src/fleetctl/program.ts";
import { filesBelow, repository, type SourceFile } from "./source-files.ts";

const pages = filesBelow("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs").filter(({ path }) =>
  path.endsWith(".md"),
);

function page(path: string): SourceFile {
  const found = pages.find((each) => each.path === path);
  assert.ok(found, `there is no page ${path}`);
  return found;
}

/** The part of a page below the heading that names a command, down to the next heading of its level or above. */
function section(of: SourceFile, heading: string): string | undefined {
  const start = of.lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) return undefined;
  const level = of.lines[start]?.indexOf(" ") ?? 0;
  const end = of.lines.findIndex((line, at) => at > start && /^#+ /.test(line) && line.indexOf(" ") <= level);
  return of.lines.slice(start, end < 0 ? undefined : end).join("\n");
}

/** What a text lacks of these flags. */
function missingFlags(text: string, flags: readonly Flag[]): string[] {
  return flags
    .filter(({ name, hidden }) => hidden !== true && !new RegExp(`--${name}(?![\\w-])`).test(text))
    .map(({ name }) => `--${name}`);
}

/** Complaints about commands without a section of their own, or with flags that their section is silent about. */
function complaints(
  of: SourceFile,
  program: string,
  commands: readonly (Command | CommandGroup)[],
): string[] {
  return commands.flatMap((entry) => {
    const name = `${program} ${entry.name}`;
    if (isGroup(entry)) return complaints(of, name, entry.commands);
    if (entry.hidden === true) return [];
    const text = section(of, name);
    if (text === undefined) return [`${of.path} has no section "${name}"`];
    return missingFlags(text, entry.flags ?? []).map(
      (flag) => `${of.path}: "${name}" is silent about ${flag}`,
    );
  });
}

const unheard = (): never => {
  throw new Error("the manual is read, not carried out");
};
const fleetctl = fleetctlProgram({ open: unheard, ssh: unheard }, "0.0.0");

/** Commands that docs/cluster.md is about. */
const ofClusters = ["discovery", "member"];
/** Commands that docs/units.md is about. */
const ofUnits = ["why", "events"];
/** Commands that docs/cloud-config.md is about. */
const ofCloudConfigs = ["cloud-config", "coreos-cloudinit"];
/** Commands that docs/locksmith.md is about. */
const ofReboots = ["reboot", "reboots", "fleetlock"];
/** Commands that docs/os.md is about. */
const ofImages = ["image"];
/** Commands that docs/updates.md is about. */
const ofUpdates = ["update", "update_engine_client", "update-server"];
const ofMaintenance = ["drain", "cordon", "uncordon"];
const outside = {
  serveKeys: notServed,
  serveDiscovery: notServed,
  serveFleetLock: notServed,
  connectMembers: unheard,
  openStore: unheard,
  openUpdateEngine: unheard,
  serveUpdates: notServed,
};

async function notServed(): Promise<number> {
  return 0;
}

test("every command of fleetctl has a section that names its flags", () => {
  const manual = page("docs/fleetctl.md");
  assert.ok(fleetctl.commands.length > 0);
  assert.deepEqual(complaints(manual, "fleetctl", fleetctl.commands), []);
  assert.deepEqual(missingFlags(manual.text, fleetctl.flags ?? []), []);
});

test("every environment variable of fleetctl is in its page", () => {
  const { text } = page("docs/fleetctl.md");
  const variables = (fleetctl.flags ?? []).flatMap(({ variable, hidden }) =>
    variable === undefined || hidden === true ? [] : [variable],
  );
  assert.ok(variables.length > 0);
  assert.deepEqual(
    variables.filter((variable) => !text.includes(variable)),
    [],
  );
});

const etcdctl = etcdctlProgram(
  { transport: unheard, findService: unheard, askSecret: unheard, startProgram: unheard },
  "0.0.0",
);

test("every command of etcdctl has a section that names its flags", () => {
  const manual = page("docs/etcdctl.md");
  assert.ok(etcdctl.commands.length > 0);
  assert.deepEqual(complaints(manual, "etcdctl", etcdctl.commands), []);
  assert.deepEqual(missingFlags(manual.text, etcdctl.flags ?? []), []);
});

test("every environment variable of etcdctl is in its page", () => {
  const { text } = page("docs/etcdctl.md");
  const variables = (etcdctl.flags ?? []).flatMap(({ variable }) => variable ?? []);
  assert.ok(variables.length > 0);
  assert.deepEqual(
    variables.filter((variable) => !text.includes(variable)),
    [],
  );
});

const locksmithctl = locksmithctlProgram(
  { transport: unheard, userId: unheard, reboot: unheard, emitNeedReboot: unheard },
  "0.0.0",
);

test("every command of locksmithctl has a section that names its flags, and so has argosy reboots", () => {
  const manual = page("docs/locksmith.md");
  assert.ok(locksmithctl.commands.length > 0);
  assert.deepEqual(complaints(manual, "locksmithctl", locksmithctl.commands), []);
  assert.deepEqual(missingFlags(manual.text, locksmithctl.flags ?? []), []);
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofReboots.includes(name));
  assert.equal(commands.length, ofReboots.length);
  assert.deepEqual(complaints(manual, "argosy", commands), []);
});

test("every environment variable of locksmithctl is in its page", () => {
  const { text } = page("docs/locksmith.md");
  const flags = [
    ...(locksmithctl.flags ?? []),
    ...locksmithctl.commands.flatMap((entry) => entry.flags ?? []),
  ];
  const variables = flags.flatMap(({ variable }) => variable ?? []);
  assert.ok(variables.length > 0);
  assert.deepEqual(
    variables.filter((variable) => !text.includes(variable)),
    [],
  );
});

test("every command of the lab has a section that names its flags", () => {
  assert.ok(labCommand.commands.length > 0);
  assert.deepEqual(complaints(page("docs/lab.md"), "argosy lab", labCommand.commands), []);
});

test("every other command of argosy is in the page about installing", () => {
  const others = argosyProgram({}, outside).commands.filter(
    ({ name }) =>
      ![
        "lab",
        "fleetctl",
        "etcdctl",
        "locksmithctl",
        "etcd",
        "store",
        ...ofReboots,
        ...ofUpdates,
        ...ofImages,
        ...ofCloudConfigs,
        ...ofClusters,
        ...ofUnits,
        ...ofMaintenance,
      ].includes(name),
  );
  assert.ok(others.length > 0);
  assert.deepEqual(complaints(page("docs/install.md"), "argosy", others), []);
});

test("every command about updates has a section in their page, which names its flags", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofUpdates.includes(name));
  assert.equal(commands.length, ofUpdates.length);
  assert.deepEqual(complaints(page("docs/updates.md"), "argosy", commands), []);
});

test("every command about stores has a section in their page, which names its flags", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => name === "store");
  assert.equal(commands.length, 1);
  assert.deepEqual(complaints(page("docs/store.md"), "argosy", commands), []);
});

test("the server of the keys has a section in the page about them, which names its flags", () => {
  const server = argosyProgram({}, outside).commands.filter(({ name }) => name === "etcd");
  assert.equal(server.length, 1);
  assert.deepEqual(complaints(page("docs/keys.md"), "argosy", server), []);
});

test("the commands about members and discovery have sections in the page about clusters", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofClusters.includes(name));
  assert.equal(commands.length, ofClusters.length);
  assert.deepEqual(complaints(page("docs/cluster.md"), "argosy", commands), []);
});

test("the commands about images have sections in the page about the operating system", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofImages.includes(name));
  assert.equal(commands.length, ofImages.length);
  assert.deepEqual(complaints(page("docs/os.md"), "argosy", commands), []);
});

test("the commands about what happens to units have sections in the page about units", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofUnits.includes(name));
  assert.equal(commands.length, ofUnits.length);
  assert.deepEqual(complaints(page("docs/units.md"), "argosy", commands), []);
});

test("the commands about cloud-configs have sections in their page", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofCloudConfigs.includes(name));
  assert.equal(commands.length, ofCloudConfigs.length);
  assert.deepEqual(complaints(page("docs/cloud-config.md"), "argosy", commands), []);
});

test("the schema and the reference page of cloud-configs are what the program prints", () => {
  assert.equal(
    readFileSync(posix.join(repository, "docs/cloud-config.schema.json"), "utf8"),
    `${JSON.stringify(cloudConfigJsonSchema(), null, 2)}\n`,
  );
  assert.equal(page("docs/cloud-config-reference.md").text, referencePage());
});

test("the commands that empty machines have sections in the page about maintenance", () => {
  const commands = argosyProgram({}, outside).commands.filter(({ name }) => ofMaintenance.includes(name));
  assert.equal(commands.length, ofMaintenance.length);
  assert.deepEqual(complaints(page("docs/maintenance.md"), "argosy", commands), []);
});

test("every option of [X-Fleet] is in the page about units, in all its spellings", () => {
  const { text } = page("docs/units.md");
  const silent = optionTable
    .flatMap(({ spellings }) => spellings)
    .filter((spelling) => !text.includes(`\`${spelling}\``));
  assert.deepEqual(silent, []);
});

test("every setting of the daemons is in the page about settings", () => {
  const { text } = page("docs/settings.md");
  const silent = [
    ...Object.values(fleetSettings),
    ...Object.values(etcdSettings),
    ...Object.values(updateSettings),
    ...Object.values(locksmithSettings),
  ]
    .map((setting) => ("key" in setting ? setting.key : setting.environment))
    .filter((name) => !text.includes(`\`${name}\``));
  assert.deepEqual(silent, []);
});

test("every link within the repository leads to a file, and to a heading where it names one", () => {
  const broken = pages.flatMap((from) =>
    Array.from(withoutCode(from.text).matchAll(/\]\(([^)\s]+)\)/g), ([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !leadsSomewhere(from, target))
      .map((target) => `${from.path}: ${target}`),
  );
  assert.ok(pages.length > 10);
  assert.deepEqual(broken, []);
});

function withoutCode(text: string): string {
  return text.replaceAll(/^```[^]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

function leadsSomewhere(from: SourceFile, target: string): boolean {
  const [file = "", anchor] = target.split("#");
  const path = file === "" ? from.path : posix.join(posix.dirname(from.path), file);
  if (!existsSync(posix.join(repository, path))) return false;
  if (anchor === undefined) return true;
  const headings = pages.find((each) => each.path === path)?.lines.filter((line) => /^#+ /.test(line)) ?? [];
  return headings.some((heading) => anchorOf(heading) === anchor);
}

/** The anchor that a heading gets where Markdown is shown. */
function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}
