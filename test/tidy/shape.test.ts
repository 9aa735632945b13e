import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  codeLines,
  filesBelow,
  importsOf,
  isTestFile,
  productFiles,
  repository,
  targetOf,
} from "./source-files.ts";

/** Longer files are more than one idea. */
const mostLines = 400;
const mostLinesOfTest = 600;
/** Every package is somebody else's code that runs with our rights. */
const mostPackages = 150;

const ours = filesBelow("src", "bin", "test", "bench", "scripts", "image").filter(
  ({ path }) => /\.(ts|mjs)$/.test(path) && !path.includes("/generated/"),
);

test("no file is too long to be one idea", () => {
  const long = ours
    .filter(
      ({ path, lines }) =>
        lines.length > (isTestFile(path) || path.startsWith("test/") ? mostLinesOfTest : mostLines),
    )
    .map(({ path, lines }) => `${path}: ${lines.length} lines`);
  assert.deepEqual(long, []);
});

test("no file is called by what says nothing, and none only passes others on", () => {
  const vague = ours.filter(({ path }) => /(^|[/-])(utils?|helpers?|misc|common|index)(\.|-|\/)/.test(path));
  const barrels = productFiles().filter((file) =>
    codeLines(file).some((line) => /^\s*export\s+\*/.test(line)),
  );
  assert.deepEqual(
    [...vague, ...barrels].map(({ path }) => path),
    [],
  );
});

test("nothing is left to do, skipped or silenced", () => {
  const mark =
    /\b(TODO|FIXME|XXX|HACK)\b|\.(skip|only|todo)\(|@ts-(ignore|expect-error|nocheck)|(oxlint|eslint|biome)-(disable|ignore)/;
  const marked = ours
    .filter(({ path }) => path !== "test/tidy/shape.test.ts")
    .flatMap(({ path, lines }) =>
      lines.flatMap((line, index) => (mark.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
    );
  assert.deepEqual(marked, []);
});

test("every file of the product is used by another, or is where a program begins", () => {
  const begins = [
    "src/store/embedded/database-worker.ts",
    "src/daemon/fleet.ts",
    "src/daemon/etcd.ts",
    "src/fleetctl/main.ts",
    "src/argosy/lab.ts",
    "src/daemon/fake-sysupdate.ts",
  ];
  const used = new Set(
    filesBelow("src", "bin", "test", "bench", "scripts", "image")
      .filter(({ path }) => /\.(ts|mjs)$/.test(path))
      .flatMap((file) => importsOf(file).flatMap(({ from }) => targetOf(file, from) ?? [])),
  );
  const dead = productFiles()
    .map(({ path }) => path)
    .filter((path) => !path.endsWith(".test.ts") && !used.has(path) && !begins.includes(path));
  assert.deepEqual(dead, []);
});

test("every package is pinned to one version, has its line in docs/dependencies.md, and there are not too many", () => {
  const manifest = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const page = readFileSync(join(repository, "docs/dependencies.md"), "utf8");
  const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.deepEqual(
    all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
  assert.deepEqual(
    all.filter(([name]) => !page.includes(`\`${name}\``)).map(([name]) => name),
    [],
  );
  const lock = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as {
    packages: Record<string, { resolved?: string }>;
  };
  assert.ok(Object.keys(lock.packages).length <= mostPackages);
  assert.deepEqual(
    Object.values(lock.packages).filter(({ resolved }) => resolved !== undefined),
    [],
  );
});
