import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launcher } from "../src/argosy/launcher.ts";
import { compileProgram, programLoader } from "./compile-program.ts";
import { type Plugin, rolldown } from "rolldown";

/**
 * Makes what `argosy install` lays into a machine: build/argosy.mjs with all commands, build/fleetctl.cjs and
 * build/fleetctl.program with fleetctl alone, compiled, build/etcd.mjs with `argosy etcd` alone, build/fleet.mjs with fleet's daemon alone, build/locksmithd.mjs with locksmithd alone, build/daemons.mjs with the
 * daemons and their libraries, build/store-worker.mjs with the thread that writes the embedded store's file, and
 * build/node, the Node that runs them. Does nothing when nothing they are made of
 * changed since.
 */

const checkout = fileURLToPath(new URL("..", import.meta.url));
const buildFolder = `${checkout}build`;
const stampFile = `${buildFolder}/bundle.stamp`;

/** The commands load the daemons from their own bundle beside them. */
const daemonsApart: Plugin = {
  name: "daemons-apart",
  resolveId: (source) => (source === "./daemons.ts" ? { id: "./daemons.mjs", external: true } : undefined),
};

/**
 * Takes Node's modules where they are used, not at the start of the file as `import` would: `node:http` alone costs
 * 20 ms, because importing it evaluates every export, an HTTP client and WebSocket among them.
 */
const builtinsWhenUsed: Plugin = {
  name: "builtins-when-used",
  resolveId: (source) =>
    source.startsWith("node:") ? { id: `\0${source}`, moduleSideEffects: false } : undefined,
  load(id) {
    if (!id.startsWith("\0node:")) return undefined;
    const name = id.slice(1);
    const names = Object.keys(process.getBuiltinModule(name) ?? {}).filter((key) =>
      /^[a-zA-Z]\w*$/.test(key),
    );
    return [
      `const builtin = process.getBuiltinModule("${name}");`,
      "export default builtin;",
      ...names.filter((key) => key !== "default").map((key) => `export const ${key} = builtin.${key};`),
    ].join("\n");
  },
};

const begun = performance.now();
const stamp = await sourcesHash();
if ((await readFile(stampFile, "utf8").catch(() => "")) === stamp) {
  console.log("bundle: build is up to date");
} else {
  await mkdir(buildFolder, { recursive: true });
  await rm(stampFile, { force: true });
  await copyNode();
  const bytes =
    (await bundle("bin/argosy.ts", "argosy.mjs")) +
    (await bundleCompiled("bin/fleetctl.ts", "fleetctl")) +
    (await bundle("bin/etcd.ts", "etcd.mjs")) +
    (await bundle("bin/fleet.ts", "fleet.mjs")) +
    (await bundle("bin/locksmithd.ts", "locksmithd.mjs")) +
    (await bundle("bin/daemons.ts", "daemons.mjs")) +
    (await bundle("src/store/embedded/database-worker.ts", "store-worker.mjs"));
  // So that a checkout can use what it built: build/argosy lab status
  for (const name of ["argosy", "fleetctl"]) {
    await writeFile(`${buildFolder}/${name}`, launcher(name), { mode: 0o755 });
  }
  await writeFile(stampFile, stamp);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `bundle: made build/argosy.mjs, build/fleetctl.cjs, build/fleetctl.program, build/etcd.mjs, build/fleet.mjs, build/locksmithd.mjs, build/daemons.mjs and build/store-worker.mjs (${Math.round(bytes / 1024)} KiB) and build/node in ${seconds} s`,
  );
}

/** Everything the result depends on. The lock file stands for the libraries, and for Node, which is one of them. */
async function sourcesHash(): Promise<string> {
  const hash = createHash("sha256");
  const files = ["package.json", "package-lock.json", "scripts/bundle.ts", "scripts/compile-program.ts"];
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

/**
 * A program that starts faster: NAME.program holds it together with what V8 has made of it when it was run once, and NAME.cjs
 * runs that.
 */
async function bundleCompiled(entry: string, name: string): Promise<number> {
  const bytes = await bundle(entry, `${name}.js`, "cjs");
  const code = `${buildFolder}/${name}.js`;
  const program = `${buildFolder}/${name}.program`;
  await compileProgram(`${buildFolder}/node`, code, `${program}.${process.pid}`);
  await rename(`${program}.${process.pid}`, program);
  await writeFile(`${buildFolder}/${name}.cjs`, programLoader(name));
  await rm(code);
  return bytes;
}

async function bundle(entry: string, file: string, format: "esm" | "cjs" = "esm"): Promise<number> {
  const build = await rolldown({
    input: `${checkout}${entry}`,
    platform: "node",
    // dbus-native reads XML only to introspect objects, which we never do: every call names its interface.
    // grpc-js would read .proto files for channelz, which we do not serve.
    resolve: {
      alias: {
        xml2js: `${checkout}scripts/no-xml.mjs`,
        "@grpc/proto-loader": `${checkout}scripts/no-proto-loader.mjs`,
      },
    },
    plugins: [daemonsApart, builtinsWhenUsed],
    treeshake: { propertyReadSideEffects: false },
    onLog(level, log, handle) {
      // Direct eval in a library is the library's business; our own sources have none.
      if (level === "warn" && log.code !== "EVAL") handle("warn", log);
    },
  });
  const { output } = await build.write({
    file: `${buildFolder}/${file}.${process.pid}`,
    format,
    // Names are kept: a stack trace in the journal has to mean something.
    minify: { compress: true, mangle: false, codegen: true },
    codeSplitting: false,
  });
  await build.close();
  const code = inAscii(output[0].code);
  await writeFile(`${buildFolder}/${file}.${process.pid}`, code);
  await rename(`${buildFolder}/${file}.${process.pid}`, `${buildFolder}/${file}`);
  return code.length;
}

/** The same code with escapes for all other characters: a single one has V8 keep two bytes for every character of the file. */
function inAscii(code: string): string {
  // Behind a backslash an escape would mean something else; and rolldown leaves comments about licences.
  const risky = /\\[^\0-\x7f]/.exec(code);
  if (risky !== null)
    throw new Error(`cannot escape ${JSON.stringify(code.slice(risky.index, risky.index + 40))}`);
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Copies the Node that runs this, without its debugging symbols where `strip` is at hand: 30 MB less. */
async function copyNode(): Promise<void> {
  const fresh = `${buildFolder}/node.${process.pid}`;
  await copyFile(process.execPath, fresh);
  await promisify(execFile)("strip", [fresh]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await chmod(fresh, 0o755);
  await rename(fresh, `${buildFolder}/node`);
}
