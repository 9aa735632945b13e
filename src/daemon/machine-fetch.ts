import { get } from "node:http";
import { Readable } from "node:stream";
import { Fault } from "../lib/fault.ts";
import { exitCodeHeader, journalEndHeader } from "../fleet/api-local.ts";
import type { MachineId } from "../fleet/model.ts";

/** How long another machine may take to begin its answer. */
const answerLimitMs = 10_000;

/**
 * Asks the fleet API of another machine and passes its answer on as a stream.
 * Throws Fault `machine-unreachable` when it cannot be asked.
 */
export function fetchMachine(
  machine: MachineId,
  api: string | undefined,
  path: string,
  signal: AbortSignal,
): Promise<Response> {
  if (api === undefined) {
    const sentence =
      `cannot ask machine ${machine}: it does not serve its API to other machines; ` +
      "give its fleet.socket a ListenStream=49153";
    return Promise.reject(new Fault("machine-unreachable", sentence));
  }
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new Fault("machine-unreachable", `cannot ask machine ${machine} at ${api}: ${error.message}`));
    const request = get(new URL(path, api), { signal }, (answer) => {
      request.setTimeout(0);
      const headers = new Headers();
      for (const name of ["content-type", exitCodeHeader, journalEndHeader]) {
        const value = answer.headers[name.toLowerCase()];
        if (typeof value === "string") headers.set(name, value);
      }
      const body = Readable.toWeb(answer) as ReadableStream<Uint8Array>;
      resolve(new Response(body, { status: answer.statusCode ?? 502, headers }));
    });
    request.setTimeout(answerLimitMs, () =>
      request.destroy(new Error(`no answer within ${answerLimitMs / 1000} s`)),
    );
    request.on("error", fail);
  });
}
