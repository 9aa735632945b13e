import { memberFaults, type Cluster, type ClusterMember } from "./cluster.ts";
import {
  jsonLine,
  message,
  nothing,
  plainText,
  type PlainAnswer,
  type PlainRequest,
} from "./plain-answer.ts";
import { brokenEscape } from "./form.ts";

const mostId = 2n ** 64n - 1n;

/** A change of the members that is in order. */
export type MemberChange =
  | { readonly do: "add"; readonly peerUrls: readonly string[] }
  | { readonly do: "update"; readonly id: string; readonly peerUrls: readonly string[] }
  | { readonly do: "remove"; readonly id: string };

/**
 * `/v2/members` (etcd v2 API, "Members API"): what to answer, or which change to carry out first.
 * @param clientUrls where the v2 API is served: v2 clients send what follows to any member's address, and the members
 *   themselves speak v3 alone
 * @param removed identities of members that were removed before
 */
export function decideMembers(
  request: PlainRequest,
  cluster: Cluster,
  clientUrls: readonly string[],
  removed: readonly string[],
): PlainAnswer | MemberChange {
  const { method, below } = request;
  if (method === "GET") return readMembers(below, cluster, clientUrls);
  if (method === "POST") {
    const peerUrls = readPeerUrls(request);
    return "status" in peerUrls ? peerUrls : { do: "add", peerUrls };
  }
  if (below === "") return { status: 405, type: plainText, text: "Method Not Allowed\n" };
  const id = idOf(below);
  if (id === undefined) return message(404, `No such member: ${below}`);
  const peerUrls = method === "PUT" ? readPeerUrls(request) : [];
  if ("status" in peerUrls) return peerUrls;
  if (!cluster.members.some((member) => member.id === id)) {
    const gone = method === "DELETE" && removed.includes(id);
    return gone ? message(410, `Member permanently removed: ${id}`) : noSuchMember(id);
  }
  return method === "PUT" ? { do: "update", id, peerUrls } : { do: "remove", id };
}

/** How many indices of the keys a change uses up: etcd keeps its members among the keys, out of sight. */
export function indicesOf(change: MemberChange): number {
  return change.do === "remove" ? 2 : 1;
}

/** The answer to a change that was carried out; `added` is the member that was let in. */
export function memberChanged(added: ClusterMember | undefined): PlainAnswer {
  return added === undefined ? nothing : jsonLine(201, shown(added, []));
}

/** The answer to a change that failed. */
export function memberRefused(change: MemberChange, code: string): PlainAnswer {
  if (code === memberFaults.exists) return message(409, "membership: peerURL exists");
  if (code === memberFaults.unknown && change.do !== "add") return noSuchMember(change.id);
  return code === memberFaults.fixed ? membersFixed : message(500, "Internal Server Error");
}

/**
 * The answer to every change where there can be none. A conflict, because that is the one refusal whose sentence etcd's
 * clients show (etcd client v2.3 and v3.4, members.go); of a 5xx they say that the member has no leader.
 */
export const membersFixed = message(
  409,
  "argosy: the store of this machine takes no other members over this API: run argosy member add on the machine that is to become one",
);

function noSuchMember(id: string): PlainAnswer {
  return message(404, `No such member: ${id}`);
}

function readMembers(below: string, cluster: Cluster, clientUrls: readonly string[]): PlainAnswer {
  if (below === "") {
    return jsonLine(200, { members: cluster.members.map((member) => shown(member, clientUrls)) });
  }
  if (below !== "leader") return message(404, "Not found");
  const leader = cluster.members.find(({ id }) => id === cluster.leader);
  return leader === undefined ? message(503, "During election") : jsonLine(200, shown(leader, clientUrls));
}

/** A member that was never started has no name, and serves nobody. */
function shown({ id, name, peerUrls }: ClusterMember, clientUrls: readonly string[]): object {
  return { id, name, peerURLs: peerUrls, clientURLs: name === "" ? [] : clientUrls };
}

/** The addresses of a member in a request, or what is wrong with its type or body. */
function readPeerUrls({ contentType, body }: PlainRequest): readonly string[] | PlainAnswer {
  const [type = ""] = contentType.split(";");
  if (type.trim() !== "application/json") {
    return message(415, `Bad Content-Type ${contentType}, accept application/json`);
  }
  const parsed = parseWhole(body);
  if (parsed === undefined) return message(400, "argosy: the body is no JSON object with a list of peerURLs");
  const urls = listIn(parsed.value);
  if (typeof urls === "string") return message(400, urls);
  if (urls.length === 0) return message(400, "no valid URLs given");
  const peerUrls = urls.map((url) => url.trim());
  const problem = peerUrls.map(urlProblem).find((found) => found !== undefined);
  return problem === undefined ? peerUrls.sort() : message(400, problem);
}

function parseWhole(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** The peerURLs of a request; null stands for nothing at every place, as for Go. Or why they are none, in its words. */
function listIn(content: unknown): readonly string[] | string {
  const notAs = (value: unknown, place: string): string =>
    `json: cannot unmarshal ${kindOf(value)} into Go ${place}`;
  if (content === null) return [];
  if (typeof content !== "object" || Array.isArray(content)) {
    return notAs(content, 'value of type struct { PeerURLs []string "json:\\"peerURLs\\"" }');
  }
  const named = Object.entries(content).filter(([name]) => name.toLowerCase() === "peerurls");
  const list: unknown = named.at(-1)?.[1] ?? [];
  if (!Array.isArray(list)) return notAs(list, "struct field .peerURLs of type []string");
  const wrong: unknown = list.find((url) => url !== null && typeof url !== "string");
  if (wrong !== undefined) return notAs(wrong, "struct field .peerURLs of type string");
  return list.map((url) => String(url ?? ""));
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** Why etcd takes no member at this address. */
function urlProblem(url: string): string | undefined {
  const parts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)/i.exec(url) ?? [];
  const [, scheme = "", host = "", path = ""] = parts;
  const unreadable = unreadableUrl(scheme, host, path);
  if (unreadable !== undefined) return `parse ${JSON.stringify(url)}: ${unreadable}`;
  if (scheme === "unix" || scheme === "unixs") return undefined;
  if (scheme !== "http" && scheme !== "https")
    return `URL scheme must be http, https, unix, or unixs: ${url}`;
  if (!/^(?:\[[^\]]*\]|[^:[\]]*):[^:]*$/.test(host)) {
    return `URL address does not have the form "host:port": ${url}`;
  }
  return path === "" ? undefined : `URL must not contain a path: ${url}`;
}

/** What Go's url.Parse says of an address that it cannot read. */
function unreadableUrl(scheme: string, host: string, path: string): string | undefined {
  if (scheme === "" && path.startsWith(":")) return "missing protocol scheme";
  if (scheme === "" && /^[^/]*:/.test(path)) return "first path segment in URL cannot contain colon";
  const broken = brokenEscape(host) ?? brokenEscape(path);
  if (broken !== undefined) return `invalid URL escape ${JSON.stringify(broken)}`;
  const port = /:[^:\]]*$/.exec(host)?.[0];
  return port === undefined || /^:\d*$/.test(port)
    ? undefined
    : `invalid port ${JSON.stringify(port)} after host`;
}

/** The identity in a path, written as in lists; undefined when it is no hexadecimal number of 64 bits. */
function idOf(text: string): string | undefined {
  if (!/^[0-9a-f]{1,1000}$/i.test(text)) return undefined;
  const id = BigInt(`0x${text}`);
  return id <= mostId ? id.toString(16) : undefined;
}
