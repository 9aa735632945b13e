import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { fakeSurroundings } from "../cli/fake-surroundings.ts";
import { runProgram } from "../cli/program.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { clusterOfOne } from "../keys/cluster.ts";
import { openLocalKeyspace } from "../keys/local-keyspace.ts";
import { KeysApi } from "../keys/server.ts";
import { FakeEnv } from "../lib/fake-env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Outside } from "./connect.ts";
import { etcdctlProgram } from "./program.ts";

/** A keys API of its own on a real socket, over a store in memory. */
export interface FakeServer extends AsyncDisposable {
  readonly endpoint: string;
}

/** Starts one; its time stands still. */
export async function startFakeServer(): Promise<FakeServer> {
  const env = new FakeEnv();
  const parts = new AbortController();
  const keyspace = openLocalKeyspace(env, openMemoryStore(env), parts.signal);
  const clientUrls: string[] = [];
  const surroundings = {
    clientUrls,
    cluster: async () => clusterOfOne,
    processFacts: () => ({ commandLine: ["argosy"], residentBytes: 1, heapBytes: 1 }),
    setLogLevel: () => undefined,
  };
  const server = new KeysApi(env, keyspace, surroundings, parts.signal).createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  clientUrls.push(endpoint);
  return {
    endpoint,
    [Symbol.asyncDispose]: async () => {
      parts.abort(new Error("the test is over"));
      server.close();
      server.closeAllConnections();
      await keyspace.ended;
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run etcdctl in this process. */
export interface RunOptions {
  readonly stdin?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** Local files by path. */
  readonly files?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly outside?: Partial<Outside>;
  /** Sees what is written to standard output, as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** Runs one command line without a process. */
export async function runEtcdctl(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { outside, onOutput, ...given } = options;
  const surroundings = fakeSurroundings(given);
  const { stdout } = surroundings;
  const program = etcdctlProgram({ ...onlySockets, ...outside }, "0.0.0");
  const write = (text: string): void => {
    stdout.write(text);
    onOutput?.(text);
  };
  const code = await runProgram(program, words, { ...surroundings, stdout: { ...stdout, write } });
  return { code, stdout: stdout.text(), stderr: surroundings.stderr.text() };
}

const onlySockets: Outside = {
  transport: clientTransport,
  findService: async (name) => await Promise.reject(new Error(`lookup ${name}: no such host`)),
  askSecret: async () => await Promise.reject(new Error("no test was asked for a password")),
  startProgram: async () => await Promise.reject(new Error("no test was to start a program")),
};
