import assert from "node:assert/strict";
import { test } from "node:test";
import { codeLines, importsOf, isTestFile, productFiles, type SourceFile, targetOf } from "./source-files.ts";

/** Which folders of `src` a folder may import, besides itself. Tests may import any fake, and the real Env. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  unit: ["lib"],
  store: ["lib"],
  cli: ["lib"],
  keys: ["lib", "store"],
  membership: ["lib", "store", "fleet"],
  fleet: ["lib", "unit", "store"],
  systemd: ["lib", "unit", "fleet", "locksmith"],
  locksmith: ["lib", "keys"],
  cloudinit: ["lib"],
  update: ["lib", "store"],
  fleetctl: ["lib", "cli", "unit", "fleet"],
  etcdctl: ["lib", "cli", "keys"],
  locksmithctl: ["lib", "cli", "keys", "locksmith"],
  argosy: [
    "lib",
    "cli",
    "lab",
    "unit",
    "store",
    "fleet",
    "keys",
    "membership",
    "locksmith",
    "cloudinit",
    "update",
  ],
  daemon: ["lib", "unit", "store", "keys", "membership", "fleet", "systemd", "locksmith", "update", "argosy"],
  lab: ["lib", "argosy", "fleet"],
};

/** Where a folder may look into another only for the interfaces it implements. */
const onlyThese: Readonly<Record<string, readonly string[]>> = {
  "locksmith -> keys": ["src/keys/client-keys.ts", "src/keys/client-text.ts", "src/keys/model.ts"],
  "membership -> fleet": ["src/fleet/fleet-name.ts"],
  "systemd -> fleet": ["src/fleet/unit-manager.ts", "src/fleet/model.ts"],
  "systemd -> locksmith": ["src/locksmith/machine-control.ts", "src/locksmith/update-status.ts"],
};

/** Folders whose every file is an edge: they tie real parts together. */
const edgeFolders = ["daemon", "lab", "systemd", "argosy"];

/** Single files that touch the world outside; everything else gets it through Env and the seams. */
const edgeFiles = [
  "src/unit/hash.ts",
  "src/store/transfer/checksum.ts",
  "src/cli/main.ts",
  "src/keys/server.ts",
  "src/keys/plain-connection.ts",
  "src/keys/unreadable-connection.ts",
  "src/keys/passwords.ts",
  "src/keys/discovery-server.ts",
  "src/fleet/api-listener.ts",
  "src/fleet/api-transport.ts",
  "src/fleet/plain-http.ts",
  "src/fleet/api-exchange.ts",
  "src/fleetctl/main.ts",
  "src/fleetctl/open-ssh.ts",
  "src/keys/client-transport.ts",
  "src/keys/client-tls.ts",
  "src/etcdctl/main.ts",
  "src/locksmithctl/main.ts",
  "src/cloudinit/gunzip.ts",
  "src/cloudinit/root-files.ts",
  "src/cloudinit/real-machine.ts",
  "src/cloudinit/real-access.ts",
];

/** Folders below an otherwise pure one whose files are edges. */
const edgeSubfolders = ["src/store/etcd/", "src/store/embedded/", "src/store/server/"];

/** What a file that is no edge may not do. */
const banned: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\)/, "reads the clock"],
  [/\bperformance\.now\b/, "reads the clock"],
  [/\bMath\.random\b/, "draws lots"],
  [/\bset(?:Timeout|Interval|Immediate)\b/, "sets a timer"],
  [/(?<![.\w])fetch\(/, "opens a connection"],
  [/\bprocess\./, "touches the process"],
  [/\bconsole\./, "prints"],
];

/** Files that hold rules: decisions over plain data, without waiting for anything. */
const ruleFiles = [
  "src/unit/",
  "src/locksmith/calendar.ts",
  "src/locksmith/fleet-lock-rules.ts",
  "src/locksmith/reboot-times.ts",
  "src/locksmith/steps.ts",
  "src/locksmith/stop-order.ts",
  "src/locksmith/wants.ts",
  "src/locksmith/zone.ts",
  "src/locksmith/lock-keys.ts",
  "src/locksmith/semaphore.ts",
  "src/locksmith/window.ts",
  "src/lib/glob.ts",
  "src/update/answer.ts",
  "src/update/office-hours.ts",
  "src/update/rollout.ts",
  "src/update/machine-register.ts",
  "src/update/server-records.ts",
  "src/update/after-boot.ts",
  "src/update/boot-entries.ts",
  "src/update/config.ts",
  "src/update/error-codes.ts",
  "src/update/memory.ts",
  "src/update/offer.ts",
  "src/update/omaha.ts",
  "src/update/policy.ts",
  "src/update/schedule.ts",
  "src/update/status.ts",
  "src/update/sums.ts",
  "src/update/update-state.ts",
  "src/update/version-order.ts",
  "src/update/xml.ts",
  "src/lib/own-address.ts",
  "src/lib/table.ts",
  "src/cloudinit/actions.ts",
  "src/cloudinit/check.ts",
  "src/cloudinit/content.ts",
  "src/cloudinit/directives/",
  "src/cloudinit/json-schema.ts",
  "src/cloudinit/lines.ts",
  "src/cloudinit/network/",
  "src/cloudinit/plan.ts",
  "src/cloudinit/platform.ts",
  "src/cloudinit/read-config.ts",
  "src/cloudinit/scalar.ts",
  "src/cloudinit/schema.ts",
  "src/cloudinit/tree.ts",
  "src/cloudinit/user-data.ts",
  "src/cloudinit/validate.ts",
  "src/cloudinit/validation-node.ts",
  "src/cloudinit/variables.ts",
  "src/cloudinit/yaml-",
  "src/keys/apply.ts",
  "src/keys/request.ts",
  "src/keys/encode.ts",
  "src/keys/plain-request.ts",
  "src/keys/errors.ts",
  "src/keys/group.ts",
  "src/keys/discovery-rules.ts",
  "src/membership/bootstrap.ts",
  "src/membership/environment.ts",
  "src/membership/old-settings.ts",
  "src/membership/picture.ts",
  "src/membership/recovery.ts",
  "src/membership/records.ts",
  "src/membership/steps.ts",
  "src/membership/token.ts",
  "src/keys/members.ts",
  "src/keys/auth.ts",
  "src/keys/access.ts",
  "src/keys/auth-body.ts",
  "src/keys/go-json.ts",
  "src/keys/counts.ts",
  "src/keys/statistics.ts",
  "src/keys/metrics.ts",
  "src/keys/log-level.ts",
  "src/fleet/options.ts",
  "src/fleet/options-check.ts",
  "src/fleet/schedule.ts",
  "src/fleet/reconcile.ts",
  "src/fleet/cluster.ts",
  "src/fleet/engine-writes.ts",
  "src/fleet/engine-packs.ts",
  "src/fleet/engine-counts.ts",
  "src/fleet/events.ts",
  "src/fleet/explain.ts",
  "src/fleet/state-notes.ts",
  "src/fleet/metrics-text.ts",
  "src/fleet/api-unit-rules.ts",
  "src/fleet/api-metadata-rules.ts",
  "src/fleet/api-changes-rules.ts",
  "src/fleet/api-paging.ts",
  "src/fleet/openapi.ts",
  "src/fleet/openapi-schemas.ts",
  "src/fleet/absence.ts",
  "src/fleet/drain.ts",
  "src/fleet/drain-picture.ts",
  "src/fleet/machine-report.ts",
  "src/fleet/board.ts",
  "src/fleet/schedule-lines.ts",
  "src/fleet/troubles.ts",
  "src/fleet/records.ts",
  "src/fleet/picture.ts",
];

const files = productFiles();

test("the tables of this test name files that exist", () => {
  const paths = files.map(({ path }) => path);
  const missing = [...edgeFiles, ...ruleFiles].filter((name) => !paths.some((path) => path.startsWith(name)));
  assert.deepEqual(missing, []);
});

test("each folder imports only what the import rule allows", () => {
  const broken = files.flatMap((file) =>
    importsOf(file).flatMap(({ from, line }) => {
      const target = targetOf(file, from);
      if (target === undefined || mayImportFile(file, target)) return [];
      return [`${file.path}:${line}: ${folderOf(file.path)} must not import ${target}`];
    }),
  );
  assert.deepEqual(broken, []);
});

function mayImportFile(file: SourceFile, target: string): boolean {
  const own = folderOf(file.path);
  const other = folderOf(target);
  if (own === other || target === "package.json") return true;
  if (isTestFile(file.path) && (target === "src/daemon/real-env.ts" || isTestFile(target))) return true;
  if (isTestFile(file.path) && target === "src/store/memory.ts") return true;
  const single = onlyThese[`${own} -> ${other}`];
  if (single !== undefined && !isTestFile(file.path)) return single.includes(target);
  return mayImport[own]?.includes(other) ?? false;
}

test("only edges import Node's modules, read clocks, set timers, draw lots, print or touch the process", () => {
  const broken = files
    .filter(({ path }) => !isEdge(path) && !isTestFile(path))
    .flatMap((file) => [
      ...importsOf(file)
        .filter(({ from }) => from.startsWith("node:"))
        .map(({ from, line }) => `${file.path}:${line}: imports ${from} without being an edge`),
      ...codeLines(file).flatMap((line, index) =>
        banned
          .filter(([pattern]) => pattern.test(line))
          .map(([, deed]) => `${file.path}:${index + 1}: ${deed} without being an edge`),
      ),
    ]);
  assert.deepEqual(broken, []);
});

test("rule files wait for nothing", () => {
  const broken = files
    .filter(({ path }) => ruleFiles.some((name) => path.startsWith(name)) && !isTestFile(path))
    .flatMap((file) =>
      codeLines(file).flatMap((line, index) =>
        /\basync\b|\bawait\b|\bPromise\b/.test(line) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [],
      ),
    );
  assert.deepEqual(broken, []);
});

test("no file imports itself in a circle", () => {
  const imports = new Map(
    files.map((file) => [file.path, importsOf(file).flatMap(({ from }) => targetOf(file, from) ?? [])]),
  );
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (done.has(path) || trail.includes(path)) return;
    for (const next of imports.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

function folderOf(path: string): string {
  return path.split("/")[1] ?? "";
}

function isEdge(path: string): boolean {
  return (
    edgeFolders.includes(folderOf(path)) ||
    edgeFiles.includes(path) ||
    edgeSubfolders.some((folder) => path.startsWith(folder))
  );
}
