import { Fault } from "../lib/fault.ts";
import type { Registration, Token } from "./bootstrap.ts";

/** More would not be a cluster; the service may hold more registrations than members. */
const mostListed = 10_000;

/**
 * Reads what a discovery service answers about a token (etcd v2 discovery protocol).
 * @param size the answer to GET TOKEN/_config/size
 * @param listing the answer to GET TOKEN
 * Throws Fault `bad-token` for an answer that is none.
 */
export function readToken(url: string, size: string, listing: string): Token {
  const wanted = Number(nodeOf(url, size).value);
  if (!Number.isInteger(wanted) || wanted < 1) throw bad(url, "its size is no number");
  const nodes = (nodeOf(url, listing).nodes ?? []).slice(0, mostListed);
  const registered = nodes
    .filter(({ key, value }) => value !== undefined && !key.endsWith("/_config"))
    .toSorted((one, other) => one.createdIndex - other.createdIndex)
    .map(({ value = "" }) => registrationOf(value));
  return { url, size: wanted, registered };
}

/** `name=url`, or `name=url1,name=url2` for a member with several addresses. */
function registrationOf(value: string): Registration {
  const pairs = value.split(",").map((pair) => /^([^=]*)=(.*)$/.exec(pair.trim()) ?? ["", "", pair.trim()]);
  return { name: pairs[0]?.[1] ?? "", peerUrls: pairs.map(([, , url = ""]) => url) };
}

interface KeyNode {
  readonly key: string;
  readonly value?: string;
  readonly createdIndex: number;
  readonly nodes?: readonly KeyNode[];
}

function nodeOf(url: string, text: string): KeyNode {
  let answer: { readonly node?: KeyNode; readonly message?: string; readonly cause?: string };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw bad(url, "it does not answer as a discovery service does");
  }
  if (answer?.node !== undefined) return answer.node;
  throw bad(
    url,
    answer?.message === undefined ? "it has no size" : `it says: ${answer.message} (${answer.cause ?? ""})`,
  );
}

function bad(url: string, why: string): Fault {
  return new Fault(
    "bad-token",
    `cannot use the discovery token ${url}, ${why}: get one with argosy discovery new, and set ETCD_DISCOVERY`,
  );
}
