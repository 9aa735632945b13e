import { joinForms, parseForm } from "./form.ts";

/** Where the tokens are among the keys (etcd v2 discovery protocol). */
export const registryPath = "/_etcd/registry";

/** How many members a token can ask for. */
export const mostMembers = 99;
/** The size when `/new` names none (discovery.etcd.io). */
export const usualMembers = 3;
/** Tokens that are kept at the same time; they expire. */
export const mostTokens = 10_000;
/** Registrations below one token, those of machines that came too late included. */
export const mostRegistrations = 1_000;
/** The largest body of a registration, in bytes. */
export const mostRegistrationBytes = 16 * 1024;

/** What a request to the discovery service is about. */
export type DiscoveryRequest =
  | { readonly to: "new"; readonly query: string }
  | { readonly to: "health" }
  | { readonly to: "size"; readonly token: string; readonly query: string }
  /** The token itself, without a member, or one registration below it. */
  | {
      readonly to: "token";
      readonly token: string;
      readonly member: string | undefined;
      readonly query: string;
    }
  | { readonly to: "wrong-method"; readonly allowed: readonly string[] }
  | { readonly to: "nowhere" };

const tokenShape = /^[A-Za-z0-9][A-Za-z0-9-]{7,63}$/;
const memberShape = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * Finds what a request is about. Tokens stand directly below the root, as at discovery.etcd.io, or at their place among
 * the keys, as in any v2 store that is used for discovery.
 * @param target of the request's first line
 */
export function discoveryRequest(method: string, target: string): DiscoveryRequest {
  const mark = target.includes("?") ? target.indexOf("?") : target.length;
  const query = target.slice(mark + 1);
  const path = target.slice(0, mark).replace(/\/$/, "");
  if (path === "/new") return { to: "new", query };
  if (path === "/health") return { to: "health" };
  const below = path.startsWith(keysOfTokens) ? path.slice(keysOfTokens.length) : path.slice(1);
  const [token = "", member, ...rest] = below.split("/");
  if (!tokenShape.test(token)) return { to: "nowhere" };
  if (member === "_config" && rest.length === 1 && rest[0] === "size") {
    return allowing(method, ["GET", "PUT"], { to: "size", token, query });
  }
  if (rest.length > 0 || (member !== undefined && (member === "_config" || !memberShape.test(member))))
    return { to: "nowhere" };
  const methods = member === undefined ? ["GET", "PUT"] : ["GET", "PUT", "DELETE"];
  return allowing(method, methods, { to: "token", token, member, query });
}

const keysOfTokens = `/v2/keys${registryPath}/`;

function allowing(method: string, allowed: readonly string[], request: DiscoveryRequest): DiscoveryRequest {
  // What is asked with HEAD is what GET would answer.
  return allowed.includes(method === "HEAD" ? "GET" : method) ? request : { to: "wrong-method", allowed };
}

/** The size that `/new` names in its form or its query; the usual one when it is left out or empty, as at discovery.etcd.io. */
export function namedSize(body: string, query: string): string {
  return joinForms(parseForm(body), parseForm(query)).values.get("size") || String(usualMembers);
}

/** The number of members that a text asks for; undefined when it is none that a token can have. */
export function sizeOf(text: string): number | undefined {
  const size = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return size >= 1 && size <= mostMembers ? size : undefined;
}

/** What is wrong with a size, for people. */
export function sizeProblem(text: string): string {
  return `size has to be a whole number from 1 to ${mostMembers}, not "${text.slice(0, 40)}"`;
}

/** The path of a token, or of what lies below it, among the keys. */
export function tokenPath(token: string, ...below: readonly string[]): string {
  return [registryPath, token, ...below].join("/");
}
