import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { rolldown } from "rolldown";

/**
 * Makes what `argosy install` lays into a machine: build/argosy.mjs, all our code and libraries in one file, and
 * build/node, the Node that runs it. Does nothing when neither the sources nor the libraries changed since.
 */

const checkout = fileURLToPath(new URL("..", import.meta.url));
const buildFolder = `${checkout}build`;
const stampFile = `${buildFolder}/bundle.stamp`;

const begun = performance.now();
const stamp = await sourcesHash();
if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) {
  console.log("bundle: build/argosy.mjs is up to date");
} else {
  await mkdir(buildFolder, { recursive: true });
  await rm(stampFile, { force: true });
  await copyNode();
  const bytes = await bundle();
  await writeFile(stampFile, stamp);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `bundle: made build/argosy.mjs (${Math.round(bytes / 1024)} KiB) and build/node in ${seconds} s`,
  );
}

/** Everything the result depends on. The lock file stands for the libraries, and for Node, which is one of them. */
async function sourcesHash(): Promise<string> {
  const hash = createHash("sha256");
  const files = ["package.json", "package-lock.json", "scripts/bundle.ts"];
  for (const folder of ["bin", "src"]) {
    const names = await readdir(`${checkout}${folder}`, { recursive: true });
    files.push(...names.filter((name) => isProductSource(name)).map((name) => `${folder}/${name}`));
  }
  for (const file of files.sort()) hash.update(`${file}\n`).update(await readFile(`${checkout}${file}`));
  return hash.digest("hex");
}

function isProductSource(name: string): boolean {
  return /\.(ts|js|mjs|json)$/.test(name) && !name.endsWith(".test.ts");
}

async function bundle(): Promise<number> {
  const build = await rolldown({
    input: `${checkout}bin/argosy.ts`,
    platform: "node",
    // dbus-native reads XML only to introspect objects, which we never do: every call names its interface.
    resolve: { alias: { xml2js: `${checkout}scripts/no-xml.mjs` } },
    onLog(level, log, handle) {
      if (level === "warn" && log.code === "UNRESOLVED_IMPORT") throw new Error(log.message);
      // Direct eval in a library is the library's business; our own sources have none.
      if (level === "warn" && log.code !== "EVAL") handle("warn", log);
    },
  });
  const { output } = await build.write({
    file: `${buildFolder}/argosy.mjs.new`,
    format: "esm",
    // Names are kept: a stack trace in the journal has to mean something.
    minify: { compress: true, mangle: false, codegen: true },
    codeSplitting: false,
  });
  await build.close();
  await rename(`${buildFolder}/argosy.mjs.new`, `${buildFolder}/argosy.mjs`);
  return output[0].code.length;
}

/** Copies the Node that runs this, without its debugging symbols where `strip` is at hand: 30 MB less. */
async function copyNode(): Promise<void> {
  const fresh = `${buildFolder}/node.new`;
  await copyFile(process.execPath, fresh);
  await promisify(execFile)("strip", [fresh]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await chmod(fresh, 0o755);
  await rename(fresh, `${buildFolder}/node`);
}
