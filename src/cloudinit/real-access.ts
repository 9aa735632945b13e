import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { promisify } from "node:util";
import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import type { SourceAccess } from "./datasources/datasource.ts";
import { userDataLimitBytes } from "./user-data.ts";

/** How long one request may take, how often it is tried, and the pauses between: those of the original. */
const requestLimitMs = 10_000;
const mostTries = 15;
const firstPauseMs = 50;
const longestPauseMs = 5_000;
/** How long a program that is asked for a value may take. */
const questionLimitMs = 10_000;

/** Files, HTTP and programs of the machine this runs on. */
export function realAccess(env: Env, signal?: AbortSignal): SourceAccess {
  return {
    readFile: readWithinLimit,
    get: async (url, headers = {}) => await getPatiently(url, headers, env, signal),
    output: async ([program = "", ...words]) => {
      try {
        return (await promisify(execFile)(program, words, { timeout: questionLimitMs })).stdout;
      } catch {
        // A machine without the program, or a question without an answer: there is no such value.
        return undefined;
      }
    },
  };
}

async function readWithinLimit(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > userDataLimitBytes) {
      throw new Fault(
        "file-unreadable",
        `Cannot read ${path}: it is longer than ${userDataLimitBytes} bytes.`,
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof Fault) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Fault("file-unreadable", `Cannot read ${path}: ${sentenceOf(error)}.`, { cause: error });
  }
}

async function getPatiently(
  url: string,
  headers: Readonly<Record<string, string>>,
  env: Env,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (!/^https?:\/\//.test(url)) {
    throw new Fault("bad-url", `Cannot fetch ${url}: only URLs that begin with http:// or https:// are.`);
  }
  let pauseMs = firstPauseMs;
  for (let tries = 1; ; tries++) {
    try {
      return await getOnce(url, headers, signal);
    } catch (error) {
      if (tries === mostTries || (error instanceof Fault && error.code === "answer-too-large")) {
        throw new Fault("no-answer", `Cannot fetch ${url}: ${sentenceOf(error)} (tried ${tries} times).`, {
          cause: error,
        });
      }
    }
    await env.clock.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
}

async function getOnce(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const limit = AbortSignal.timeout(requestLimitMs);
  const answer = await fetch(url, {
    headers,
    signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
  });
  if (answer.status >= 400 && answer.status < 500) {
    await answer.body?.cancel();
    return undefined;
  }
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Fault("no-answer", `the answer has status ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > userDataLimitBytes) {
      throw new Fault("answer-too-large", `the answer is longer than ${userDataLimitBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
