import type { Cluster, ClusterMember } from "./cluster.ts";
import {
  jsonLine,
  message,
  plainText,
  readObject,
  type PlainAnswer,
  type PlainRequest,
} from "./plain-answer.ts";

const mostId = 2n ** 64n - 1n;

/**
 * `/v2/members` (etcd v2 API, "Members API"). Members are told, and wrong requests refused in etcd's words; a change in
 * order is refused as well, because members are machines, which join and leave by other means.
 * @param clientUrls where the v2 API is served: v2 clients send what follows to any member's address, and the members
 *   themselves speak v3 alone
 */
export function answerMembers(
  request: PlainRequest,
  cluster: Cluster,
  clientUrls: readonly string[],
): PlainAnswer {
  const { method, below } = request;
  if (method === "GET") return readMembers(below, cluster, clientUrls);
  if (method === "POST") return refusalOf(request) ?? noChange();
  if (below === "") return { status: 405, type: plainText, text: "Method Not Allowed\n" };
  const id = idOf(below);
  if (id === undefined) return message(404, `No such member: ${below}`);
  const refusal = method === "PUT" ? refusalOf(request) : undefined;
  if (refusal !== undefined) return refusal;
  const known = cluster.members.some((member) => member.id === id);
  return known ? noChange() : message(404, `No such member: ${id}`);
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

function noChange(): PlainAnswer {
  return message(
    501,
    "argosy: members are not changed over the v2 API: use the v3 API of the store, on port 2379",
  );
}

/** What is wrong with the type or the body of a request that names addresses of a member. */
function refusalOf({ contentType, body }: PlainRequest): PlainAnswer | undefined {
  const [type = ""] = contentType.split(";");
  if (type.trim() !== "application/json") {
    return message(415, `Bad Content-Type ${contentType}, accept application/json`);
  }
  const urls = readObject(body)?.get("peerurls") ?? [];
  if (readObject(body) === undefined || !Array.isArray(urls)) {
    return message(400, "argosy: the body is no JSON object with a list of peerURLs");
  }
  if (urls.length === 0) return message(400, "no valid URLs given");
  const problem = urls.map((url) => urlProblem(String(url).trim())).find((found) => found !== undefined);
  return problem === undefined ? undefined : message(400, problem);
}

/** Why etcd takes no member at this address. */
function urlProblem(url: string): string | undefined {
  const [, scheme = "", host = "", path = ""] =
    /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)/i.exec(url) ?? [];
  if (scheme === "unix" || scheme === "unixs") return undefined;
  if (scheme !== "http" && scheme !== "https")
    return `URL scheme must be http, https, unix, or unixs: ${url}`;
  if (!/^(?:\[[^\]]*\]|[^:[\]]*):[^:]*$/.test(host)) {
    return `URL address does not have the form "host:port": ${url}`;
  }
  return path === "" ? undefined : `URL must not contain a path: ${url}`;
}

/** The identity in a path, written as in lists; undefined when it is no hexadecimal number of 64 bits. */
function idOf(text: string): string | undefined {
  if (!/^[0-9a-f]{1,1000}$/i.test(text)) return undefined;
  const id = BigInt(`0x${text}`);
  return id <= mostId ? id.toString(16) : undefined;
}
