import type { Transport } from "./api-client.ts";

/** Asks an API in this process, as a client asks one over a socket. */
export function fakeTransport(handler: (request: Request) => Response | Promise<Response>): Transport {
  return async (method, path, body, signal) =>
    await handler(
      new Request(`http://fleet${path}`, {
        method,
        ...(body === undefined ? {} : { body, headers: { "Content-Type": "application/json" } }),
        ...(signal === undefined ? {} : { signal }),
      }),
    );
}
