import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const runDaemonModule = new URL("./run-daemon.ts", import.meta.url).href;
const faultModule = new URL("../lib/fault.ts", import.meta.url).href;

/** Runs `body` as a daemon in a process of its own; sends `signals` in order, each when stderr shows its text. */
async function daemon(
  body: string,
  signals: [when: string, signal: NodeJS.Signals][] = [],
  name = "harbour",
) {
  const program = `
    const { runDaemon } = await import(${JSON.stringify(runDaemonModule)});
    const { Fault } = await import(${JSON.stringify(faultModule)});
    const forever = (signal) => new Promise((_, reject) => {
      const alive = setInterval(() => {}, 1e6);
      signal.addEventListener("abort", () => { clearInterval(alive); reject(signal.reason); });
    });
    process.exit(await runDaemon(${JSON.stringify(name)}, async (env, signal, daemon) => { ${body} }));
  `;
  const { NOTIFY_SOCKET: _socket, JOURNAL_STREAM: _stream, ...environment } = process.env;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
    env: environment,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
    const [next] = signals;
    if (next && stderr.includes(next[0])) {
      signals.shift();
      child.kill(next[1]);
    }
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr, lines: stderr.trim().split("\n") };
}

test("a daemon that is asked to stop and does ends with 0", async () => {
  const ended = await daemon("env.log.info('serving'); await forever(signal);", [["serving", "SIGTERM"]]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /INFO harbour stops signal=SIGTERM\nINFO harbour has stopped\n$/);
});

test("ps and pidof show the daemons of CoreOS under its programs' names, and any other as it was", async () => {
  const titleOf = async (name: string): Promise<string> =>
    (await daemon("process.stdout.write(process.title);", [], name)).stdout;
  assert.deepEqual(await Promise.all(["fleet", "locksmithd", "update-engine"].map(titleOf)), [
    "fleetd",
    "locksmithd",
    "update_engine",
  ]);
  assert.equal(await titleOf("harbour"), await titleOf("quay"));
});

test("a failure of the world is one line with its sentence, exit 1", async () => {
  const ended = await daemon("throw new Fault('no-berth', 'cannot moor at quay 4: it is taken');");
  assert.equal(ended.code, 1);
  assert.equal(ended.lines.at(-1), "ERROR harbour fails: cannot moor at quay 4: it is taken");
});

test("a daemon whose settings cannot be says so at once, and can be asked to stop while it waits", async () => {
  const ended = await daemon("throw new Fault('wrong-setting', 'quay is 0, but must be a number above 0');", [
    ["harbour fails", "SIGTERM"],
  ]);
  assert.equal(ended.code, 1);
  assert.deepEqual(
    ended.lines.slice(-2).map((line) => line.replace(/ signal=.*/, "")),
    ["ERROR harbour fails: quay is 0, but must be a number above 0", "INFO harbour stops"],
  );
});

test("a rejection that nothing caught ends the daemon with one line", async () => {
  const ended = await daemon("void Promise.reject(new Error('adrift')); await forever(signal);");
  assert.equal(ended.code, 1);
  assert.match(ended.lines.at(-1) ?? "", /^ERROR harbour fails: adrift where="/);
  assert.equal(ended.lines.length, 2, ended.stderr);
});

test("an error thrown outside of any promise ends the daemon with one line", async () => {
  const ended = await daemon("setImmediate(() => { throw new Error('sunk'); }); await forever(signal);");
  assert.equal(ended.code, 1);
  assert.match(ended.lines.at(-1) ?? "", /^ERROR harbour fails: sunk/);
});

test("a second signal ends a daemon that does not stop", async () => {
  const ended = await daemon(
    "env.log.info('serving'); setInterval(() => {}, 1e6); await new Promise(() => {});",
    [
      ["serving", "SIGINT"],
      ["harbour stops", "SIGTERM"],
    ],
  );
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /WARNING harbour ends at once: SIGTERM came a second time\n$/);
});

test("SIGHUP reads the settings again, and settings that are wrong change nothing", async () => {
  const ended = await daemon(
    `let times = 0;
     daemon.onReload(async () => {
       times += 1;
       if (times === 2) throw new Fault('bad-setting', 'the tide is wrong');
       daemon.setLogLevel('debug');
       env.log.debug('read again');
     });
     env.log.info('serving');
     await forever(signal);`,
    [
      ["serving", "SIGHUP"],
      ["read again", "SIGHUP"],
      ["keeps its settings", "SIGTERM"],
    ],
  );
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /DEBUG read again\nERROR harbour keeps its settings: the tide is wrong\n/);
});

test("SIGUSR1 has one line of JSON written to standard output, and opens no debugger", async () => {
  const silent = await daemon("env.log.info('serving'); await forever(signal);", [
    ["serving", "SIGUSR1"],
    ["nothing to tell", "SIGTERM"],
  ]);
  assert.match(silent.stderr, /INFO harbour has nothing to tell at SIGUSR1\n/);
  assert.doesNotMatch(silent.stderr, /Debugger/);
  const telling = await daemon(
    `daemon.onDump(() => {
       env.log.info('told');
       return { ships: ['one', 'two'] };
     });
     env.log.info('serving');
     await forever(signal);`,
    [
      ["serving", "SIGUSR1"],
      ["told", "SIGTERM"],
    ],
  );
  assert.equal(telling.stdout, '{"ships":["one","two"]}\n');
  assert.doesNotMatch(telling.stderr, /Debugger/);
});
