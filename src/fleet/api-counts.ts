import { answerText } from "./api-answers.ts";
import { metricsType } from "./metrics-text.ts";
import type { FleetMetrics, ProcessFacts, RegistryOperation } from "./metrics.ts";
import type { FleetView } from "./registry.ts";

/** What `/metrics` tells. */
export interface ApiMetrics {
  readonly metrics: FleetMetrics;
  readonly program: () => ProcessFacts;
}

/** Counts one request by its method and what came of it, and measures those that read or write the registry. */
export async function counted(
  { metrics }: ApiMetrics,
  request: Request,
  answer: () => Promise<Response>,
): Promise<Response> {
  const { method } = request;
  const type = operationOf(method, new URL(request.url).pathname);
  let code = 500;
  try {
    const response =
      type === undefined
        ? await answer()
        : await metrics.timed(metrics.registryDuration, { ops: type }, answer);
    code = response.status;
    return response;
  } finally {
    metrics.requests.add({ method: methods.has(method) ? method : "other", code: String(code) });
    if (type !== undefined) {
      metrics.registryOperations.add({ type });
      if (code >= 500) metrics.registryFailures.add({ type });
    }
  }
}

/** Any word can be a method, and each label is kept for ever. */
const methods: ReadonlySet<string> = new Set(["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"]);

function operationOf(method: string, path: string): RegistryOperation | undefined {
  const [, kind, name] = /^\/(?:fleet\/v1|v1-alpha)\/(units|state|machines)(\/[^/]+)?$/.exec(path) ?? [];
  if (kind === undefined) return undefined;
  if (method === "PUT" || method === "DELETE" || method === "PATCH") return "set";
  if (method !== "GET") return undefined;
  return name === undefined ? "get_all" : "get";
}

/** Whether a request is `GET /metrics`, which is answered also while nothing is known about the cluster. */
export function isForMetrics({ method, url }: Request): boolean {
  return method === "GET" && new URL(url).pathname === "/metrics";
}

/** `GET /metrics`. @param view without it what is known about the cluster is left out */
export function metricsAnswer({ metrics, program }: ApiMetrics, view?: FleetView): Response {
  return answerText(metrics.text(view, program()), metricsType);
}
