import { execFile } from "node:child_process";
import { readFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { promisify } from "node:util";
import { serveFleetApi } from "../src/fleet/api-listener.ts";
import { fleetApi } from "../src/fleet/api-server.ts";
import { FakeRegistry } from "../src/fleet/fake-registry.ts";

/** As `fleetctl list-units`, the command that is asked most; what it runs is compiled, the rest when it is called. */
const words = ["list-units"];

/**
 * The text of NAME.cjs, which runs NAME.program: the length of its code, its code, and what V8 has made of that. All in one
 * file, because V8 checks no more than whether both are equally long. A V8 that cannot use it compiles the code itself.
 */
export function programLoader(name: string): string {
  return `const file = __dirname + "/${name}.program";
const bytes = process.getBuiltinModule("node:fs").readFileSync(file);
const line = bytes.indexOf("\\n");
const end = line + 1 + Number(bytes.latin1Slice(0, line));
const { Script } = process.getBuiltinModule("node:vm");
const cachedData = end < bytes.length ? bytes.subarray(end) : undefined;
new Script(bytes.latin1Slice(line + 1, end), { filename: file, cachedData }).runInThisContext();
`;
}

/** Runs fleetctl in `codeFile` once with the Node that will run it, and writes it to `programFile` with what V8 made of it. */
export async function compileProgram(node: string, codeFile: string, programFile: string): Promise<void> {
  const folder = await mkdtemp(`${tmpdir()}/argosy-compile-`);
  const stop = new AbortController();
  try {
    const registry = new FakeRegistry();
    registry.setMachine({ id: "1".repeat(32), address: "10.0.0.1" });
    registry.setState({ unit: "web@1.service", machine: "1".repeat(32) });
    const clock = { now: () => 0, monotonic: () => 0, sleep: () => new Promise<void>(() => {}) };
    const api = fleetApi(registry, { version: "0.0.0", clock });
    const quiet = { debug: () => {}, info: () => {}, warning: () => {}, error: () => {} };
    const path = `${folder}/fleet.sock`;
    const serving = await serveFleetApi(api, [{ path }], quiet, stop.signal);
    const code = await readFile(codeFile);
    await writeFile(programFile, Buffer.concat([Buffer.from(`${code.length}\n`), code]));
    await writeFile(`${folder}/compile.cjs`, compiling(programFile));
    const { FLEETCTL_ENDPOINT: _endpoint, NODE_OPTIONS: _options, ...env } = process.env;
    await promisify(execFile)(node, [`${folder}/compile.cjs`, "--endpoint", `unix://${path}`, ...words], {
      env,
    });
    stop.abort();
    await serving.ended;
  } finally {
    stop.abort();
    await rm(folder, { recursive: true });
  }
}

/** Runs the code of a program file and, when that has ended, appends what V8 keeps of it. */
function compiling(programFile: string): string {
  return `const { appendFileSync, readFileSync } = process.getBuiltinModule("node:fs");
const { Script } = process.getBuiltinModule("node:vm");
const filename = ${JSON.stringify(programFile)};
const bytes = readFileSync(filename);
const script = new Script(bytes.latin1Slice(bytes.indexOf("\\n") + 1), { filename });
script.runInThisContext();
process.on("exit", () => appendFileSync(filename, script.createCachedData()));
`;
}
