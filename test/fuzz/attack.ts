import { connect, type Socket } from "node:net";
import fc from "fast-check";
import type { Foreground } from "../differential/foreground.ts";
import { type Blow, blows } from "./blows.ts";

/** So many are drawn at once; after each round the server has to be well. */
const roundBlows = 500;
const mostAtOnce = 8;
/** Silent connections that are open at the same time. */
const mostLingering = 100;
/** A server that has neither answered nor closed by then is left to itself: some requests are never complete. */
const answerLimitMs = 3_000;
/** The memory that a server may hold in the end above what it held after the first round, in bytes. */
const mostGrowth = 300 * 1024 * 1024;
/** Faults that are told; more would tell the same again. */
const mostFaults = 20;

export interface Outcome {
  readonly requests: number;
  readonly faults: readonly string[];
}

/**
 * Sends broken requests until `goOn` says no, and looks after each round whether the server still serves.
 * @param goOn is asked before each round, with the number sent so far
 */
export async function attack(
  server: Foreground,
  seed: number,
  goOn: (requests: number) => boolean,
): Promise<Outcome> {
  const lingering: Socket[] = [];
  const faults: string[] = [];
  let requests = 0;
  let firstMemory: number | undefined;
  for (let round = 0; goOn(requests) && faults.length < mostFaults && server.running; round++) {
    const drawn = fc.sample(blows, { seed: seed + round, numRuns: roundBlows });
    const left = drawn[Symbol.iterator]();
    const work = async (): Promise<void> => {
      for (const blow of left) {
        requests++;
        const answer = await strike(server.origin, blow, lingering);
        faults.push(...faultsIn(answer).map((fault) => `${fault}\n  after ${shown(blow)}`));
      }
    };
    await Promise.all(Array.from({ length: mostAtOnce }, work));
    for (const socket of lingering.splice(0, Math.max(0, lingering.length - mostLingering))) socket.destroy();
    faults.push(...(await illnesses(server, round)));
    firstMemory ??= server.running ? await server.memory() : undefined;
  }
  for (const socket of lingering) socket.destroy();
  if (server.running) {
    const growth = (await server.memory()) - (firstMemory ?? 0);
    if (growth > mostGrowth) faults.push(`memory grew by ${Math.round(growth / 1024 / 1024)} MiB`);
  }
  return { requests, faults };
}

/** Sends the pieces, and gives what came back before the connection ended, a character for each byte. */
async function strike(origin: string, blow: Blow, lingering: Socket[]): Promise<string> {
  const { hostname, port } = new URL(origin);
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => {
    // What was asked to be large is cut off: only the beginning of an answer is looked at.
    if (text.length < 1_000_000) text += piece;
  });
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  socket.on("end", () => resolve());
  const [first, second] = blow.pieces;
  if (first !== undefined) socket.write(first);
  if (second !== undefined) setImmediate(() => void socket.write(second));
  if (blow.lingers) {
    lingering.push(socket);
    return "";
  }
  setImmediate(() => void socket.end());
  const timer = setTimeout(resolve, answerLimitMs);
  await promise;
  clearTimeout(timer);
  socket.destroy();
  return text;
}

/** What must not be in an answer, whatever was asked. */
export function faultsIn(answer: string): string[] {
  if (answer === "") return [];
  if (!answer.startsWith("HTTP/1.1 "))
    return [`an answer is no HTTP: ${JSON.stringify(answer.slice(0, 200))}`];
  return Array.from(answer.matchAll(/HTTP\/1\.1 (5\d\d) [^]*?\r\n\r\n([^]*?)(?=HTTP\/1\.1 |$)/g))
    .filter(([, , body = ""]) => !/"(?:errorCode":300|message)"?/.test(body))
    .map(([whole]) => `an answer blames the server without a reason: ${JSON.stringify(whole.slice(0, 500))}`);
}

/** What is wrong with the server now. */
async function illnesses(server: Foreground, round: number): Promise<string[]> {
  if (!server.running) return [`the server ended:\n${server.log.join("\n")}`];
  const found = server.log.filter((line) => /unhandled|uncaught|internal error|assert|failed/i.test(line));
  const canary = `${server.origin}/v2/keys/_canary/${round}`;
  const ask = async (method: string, url: string): Promise<string> => {
    const response = await fetch(url, { method, signal: AbortSignal.timeout(60_000) });
    return `${response.status} ${await response.text()}`;
  };
  const pattern = /^200 \{"action":"get","node":\{"key":"\/_canary\/\d+","value":"well","modifiedIndex":\d+/;
  const written = await ask("PUT", `${canary}?value=well`);
  if (!written.startsWith("201 ")) found.push(`a good write was answered with ${written}`);
  const read = await ask("GET", canary);
  if (!pattern.test(read)) found.push(`a good read was answered with ${read}`);
  // What was written stays small, so that growing memory would be the server's own.
  const { node } = JSON.parse((await ask("GET", `${server.origin}/v2/keys/`)).slice(4)) as {
    node: { nodes?: { key: string }[] };
  };
  for (const { key } of node.nodes ?? []) {
    await ask(
      "DELETE",
      `${server.origin}/v2/keys${encodeURI(key).replaceAll(/[?#]/g, encodeURIComponent)}?recursive=true`,
    );
  }
  return found;
}

function shown(blow: Blow): string {
  const text = JSON.stringify(Buffer.concat(blow.pieces).toString("latin1"));
  return text.length > 700 ? `${text.slice(0, 700)}… (${text.length} characters)` : text;
}
