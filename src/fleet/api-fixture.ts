import { type FleetApiOptions, fleetApi } from "./api-server.ts";
import { FakeRegistry } from "./fake-registry.ts";
import { asDescribed } from "./openapi-check.ts";

/** What a test looks at in an answer of the API. */
export interface SeenAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
  /** The message of an error's body. */
  readonly message: string | undefined;
}

let elapsedMs = 0;

/** Time passes between any two looks at this clock, but no sleep ends: limits do not end what a test waits for. */
export const stillClock = {
  now: () => 0,
  monotonic: () => (elapsedMs += 1000),
  sleep: () => new Promise<void>(() => {}),
};

/** A request as clients send it: a PUT says that its body is JSON, unless other headers are given. */
export function apiRequest(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = method === "PUT" ? { "Content-Type": "application/json" } : {},
): Request {
  return new Request(`http://fleet${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}

/** An API over a registry in memory, whose answers are all held to its description. */
export function testApi(options: Partial<FleetApiOptions> = {}) {
  const registry = new FakeRegistry();
  const handler = asDescribed(fleetApi(registry, { version: "1.0.0", clock: stillClock, ...options }));
  const request = async (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<SeenAnswer> => {
    const response = await handler(apiRequest(method, path, body, headers));
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, message: messageOf(text) };
  };
  return { registry, handler, request };
}

/** The message of an error's body; undefined when it is none. */
export function messageOf(text: string): string | undefined {
  const body: unknown = text.startsWith("{") ? JSON.parse(text) : undefined;
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body as { error: { message: string } };
  return error.message;
}
