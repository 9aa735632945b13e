import { authMethods, isTooDeep } from "./auth.ts";
import { brokenEscape, unescapeText } from "./form.ts";
import { cleanPath } from "./paths.ts";
import { keysMethods, type KeysMethod } from "./request.ts";

/** Where a request goes. */
export type Route =
  | {
      readonly to: "keys";
      readonly method: KeysMethod;
      readonly path: string;
      /** The path as it was asked for: with a slash at its end if there was one, and empty for the root without. */
      readonly asked: string;
      readonly query: string;
    }
  | OtherRoute
  | { readonly to: "options" | "bad-escape" | "nowhere" }
  | { readonly to: "elsewhere"; readonly location: string }
  | { readonly to: "wrong-method"; readonly allowed: readonly string[] };

/** The way to an endpoint besides the keys. */
export interface OtherRoute {
  readonly to: SingleEndpoint | "members" | "auth";
  /** What follows the endpoint's path, without the slash between; empty: nothing. */
  readonly below: string;
}

/** Endpoints with one path each. */
export type SingleEndpoint =
  | "version"
  | "health"
  | "machines"
  | "stats-store"
  | "stats-self"
  | "stats-leader"
  | "variables"
  | "metrics"
  | "log-level";

const keysPrefix = "/v2/keys";

const membersPrefix = "/v2/members";
const authPrefix = "/v2/auth/";

/** In the order in which 405 lists them. */
const membersMethods: readonly string[] = ["GET", "POST", "DELETE", "PUT"];

/** Endpoints with one path each and the methods that each takes; undefined: all. */
const endpoints: ReadonlyMap<string, { to: SingleEndpoint; methods: readonly string[] | undefined }> =
  new Map([
    ["/version", { to: "version", methods: ["GET"] }],
    ["/health", { to: "health", methods: ["GET"] }],
    ["/v2/machines", { to: "machines", methods: ["GET", "HEAD"] }],
    ["/v2/stats/store", { to: "stats-store", methods: ["GET"] }],
    ["/v2/stats/self", { to: "stats-self", methods: ["GET"] }],
    ["/v2/stats/leader", { to: "stats-leader", methods: ["GET"] }],
    ["/debug/vars", { to: "variables", methods: ["GET"] }],
    ["/metrics", { to: "metrics", methods: undefined }],
    ["/config/local/log", { to: "log-level", methods: ["PUT"] }],
  ]);

/** Longer paths are looked at more slowly. */
const mostPlainCharacters = 1000;
/** The path of a key that means what it says: clean, without escapes or a slash at its end. */
const plainKeysPath = /^\/v2\/keys(?:\/[\w-][\w.-]*)+$/;

/** Finds the way of a request by its method and the target of its first line, checked in etcd's order. */
export function routeOf(method: string, target: string): Route {
  const start = target.startsWith("/") ? 0 : pathStart(target);
  const mark = target.includes("?") ? target.indexOf("?") : target.length;
  const escaped = target.slice(start, mark);
  const query = target.slice(mark + 1);
  const isPlain = escaped.length <= mostPlainCharacters && plainKeysPath.test(escaped);
  if (isPlain && method !== "OPTIONS") return keysRoute(method, escaped, query);
  if (brokenEscape(escaped) !== undefined) return { to: "bad-escape" };
  if (method === "OPTIONS") return { to: "options" };
  const path = unescapeText(escaped);
  if (cleanPath(path) !== path) {
    const location = escapeBytes(cleanPath(unescapeBytes(escaped)));
    return { to: "elsewhere", location: location + (query === "" ? "" : `?${query}`) };
  }
  if (path === keysPrefix || path.startsWith(`${keysPrefix}/`)) {
    return keysRoute(method, path, query);
  }
  if (path === membersPrefix || path.startsWith(`${membersPrefix}/`)) {
    if (!membersMethods.includes(method)) return { to: "wrong-method", allowed: membersMethods };
    return { to: "members", below: path.slice(membersPrefix.length + 1) };
  }
  if (path.startsWith(authPrefix)) return authRoute(method, path.slice(authPrefix.length));
  const endpoint = endpoints.get(path);
  if (endpoint === undefined) return { to: "nowhere" };
  const { to, methods } = endpoint;
  return methods === undefined || methods.includes(method)
    ? { to, below: "" }
    : { to: "wrong-method", allowed: methods };
}

function keysRoute(method: string, path: string, query: string): Route {
  const known = keysMethods.find((name) => name === method);
  if (known === undefined) return { to: "wrong-method", allowed: keysMethods };
  const asked = path.slice(keysPrefix.length);
  return { to: "keys", method: known, path: asked.replace(/\/$/, "") || "/", asked, query };
}

function authRoute(method: string, below: string): Route {
  const methods = authMethods(below);
  if (methods === undefined) return { to: "nowhere" };
  // etcd counts the names before it looks at the method.
  const mayGoOn = isTooDeep(below) || methods.includes(method);
  return mayGoOn ? { to: "auth", below } : { to: "wrong-method", allowed: methods };
}

/** The path in a target that begins with `http://HOST`, as a proxy would send it. */
function pathStart(target: string): number {
  const origin = /^[a-z]+:\/\/[^/?]*/i.exec(target)?.[0] ?? "";
  return origin.length;
}

/** A path with its escapes undone, a character for each byte. */
function unescapeBytes(path: string): string {
  return path.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Escapes what Go's url.URL escapes in a path, of which each character is a byte. */
function escapeBytes(path: string): string {
  return path.replaceAll(
    /[^\w.~$&+,/:;=@-]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
