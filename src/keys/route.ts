import { brokenEscape, unescapeText } from "./form.ts";
import { cleanPath } from "./paths.ts";
import { keysMethods, type KeysMethod } from "./request.ts";

/** Where a request goes. */
export type Route =
  | { readonly to: "keys"; readonly method: KeysMethod; readonly path: string; readonly query: string }
  | { readonly to: "version" | "health" | "machines" | "options" | "bad-escape" | "nowhere" }
  | { readonly to: "elsewhere"; readonly location: string }
  | { readonly to: "wrong-method"; readonly allowed: readonly string[] };

const keysPrefix = "/v2/keys";

/** Endpoints besides the keys and the methods that each takes. */
const endpoints: ReadonlyMap<string, { to: "version" | "health" | "machines"; methods: readonly string[] }> =
  new Map([
    ["/version", { to: "version", methods: ["GET"] }],
    ["/health", { to: "health", methods: ["GET"] }],
    ["/v2/machines", { to: "machines", methods: ["GET", "HEAD"] }],
  ]);

/** Finds the way of a request by its method and the target of its first line, checked in etcd's order. */
export function routeOf(method: string, target: string): Route {
  const start = target.startsWith("/") ? 0 : pathStart(target);
  const mark = target.includes("?") ? target.indexOf("?") : target.length;
  const escaped = target.slice(start, mark);
  const query = target.slice(mark + 1);
  if (brokenEscape(escaped) !== undefined) return { to: "bad-escape" };
  if (method === "OPTIONS") return { to: "options" };
  const path = unescapeText(escaped);
  const cleaned = cleanPath(path);
  if (cleaned !== path) {
    return { to: "elsewhere", location: escapePath(cleaned) + (query === "" ? "" : `?${query}`) };
  }
  if (path === keysPrefix || path.startsWith(`${keysPrefix}/`)) {
    const known = keysMethods.find((name) => name === method);
    if (known === undefined) return { to: "wrong-method", allowed: keysMethods };
    const key = path.slice(keysPrefix.length).replace(/\/$/, "");
    return { to: "keys", method: known, path: key === "" ? "/" : key, query };
  }
  const endpoint = endpoints.get(path);
  if (endpoint === undefined) return { to: "nowhere" };
  if (!endpoint.methods.includes(method)) return { to: "wrong-method", allowed: endpoint.methods };
  return { to: endpoint.to };
}

/** The path in a target that begins with `http://HOST`, as a proxy would send it. */
function pathStart(target: string): number {
  const origin = /^[a-z]+:\/\/[^/?]*/i.exec(target)?.[0] ?? "";
  return origin.length;
}

/** Escapes what Go's url.URL escapes in a path. */
function escapePath(path: string): string {
  return encodeURI(path).replaceAll(
    /[!'()*?#]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
