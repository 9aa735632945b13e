import { spawn, spawnSync } from "node:child_process";
import { resolveSrv } from "node:dns/promises";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import type { CommandGroup } from "../cli/command.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { productVersion } from "../lib/version.ts";
import type { Outside } from "./connect.ts";
import { etcdctlProgram } from "./program.ts";

/** Sockets, DNS, the terminal and programs as they are. */
const outside: Outside = {
  transport: clientTransport,
  findService: async (name) =>
    // With the dot at its end, as etcd writes it: a whole name, below which no search list is tried.
    (await resolveSrv(name)).map(({ name: host, port }) => `${host.replace(/\.$/, "")}.:${port}`),
  askSecret: async (prompt, call) => {
    call.stdout.write(prompt);
    // The terminal itself goes on to handle corrections and Ctrl-C.
    if (process.stdin.isTTY) spawnSync("stty", ["-echo"], { stdio: "inherit" });
    const lines = createInterface({ input: process.stdin, terminal: false });
    try {
      const end = { signal: call.signal };
      const [line] = (await Promise.race([once(lines, "line", end), once(lines, "close", end)])) as [string?];
      return line ?? "";
    } finally {
      lines.close();
      if (process.stdin.isTTY) spawnSync("stty", ["echo"], { stdio: "inherit" });
      call.stdout.write("\n");
    }
  },
  startProgram: async ([program = "", ...words], variables) => {
    const child = spawn(program, words, { env: variables, stdio: ["ignore", "inherit", "inherit"] });
    try {
      await once(child, "spawn");
      // Nobody waits for it, and etcdctl may end before it does.
      child.unref();
    } catch (error) {
      throw new Fault("cannot-start", `cannot start ${program}: ${sentenceOf(error)}`, { cause: error });
    }
  },
};

/** etcdctl in this process, ready for `main` of the cli. */
export const etcdctl: CommandGroup = etcdctlProgram(outside, productVersion);
