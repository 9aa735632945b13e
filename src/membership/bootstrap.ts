import {
  addressVariables,
  type EtcdVariables,
  noBootstrap,
  type OwnMachine,
  ownPeerUrl,
  urlsIn,
} from "./environment.ts";

/** What a machine was told, before it is part of any cluster. */
export interface BootstrapSettings {
  /** etcd's variables as the administrator set them; those that are empty are left out. */
  readonly given: EtcdVariables;
  /** Addresses of a store elsewhere; empty when none were named. */
  readonly storeEndpoints: readonly string[];
  readonly own: OwnMachine;
  /** What the machine is called. */
  readonly hostname: string;
  /** Whether this machine's etcd has data: then it is a member, whatever else is said, as etcd itself decides. */
  readonly hasData: boolean;
}

/** What a machine is to be, or what has to be asked to know it. */
export type Decision =
  /** With the variables to be added to those that the administrator set. */
  | { readonly is: "member"; readonly variables: EtcdVariables; readonly sure: boolean; readonly why: string }
  /** The addresses of members' peers are for asking their client addresses; used when there are no endpoints. */
  | {
      readonly is: "proxy";
      readonly endpoints: readonly string[];
      readonly peers: readonly string[];
      readonly why: string;
    }
  | { readonly is: "embedded"; readonly why: string }
  | { readonly is: "ask-token"; readonly url: string }
  | { readonly is: "ask-names"; readonly domain: string };

/**
 * What a machine becomes at its first start. It is decided once and remembered: later only commands change it. The order
 * is etcd's own: data, a token, names, a static list; and without any of them a machine is alone.
 */
export function decide(settings: BootstrapSettings): Decision {
  const { given, storeEndpoints, hasData, own } = settings;
  const member = (why: string): Decision => ({
    is: "member",
    variables: addressVariables(given, own),
    sure: true,
    why,
  });
  const proxyOnly = given["ETCD_PROXY"] === "on" || given["ETCD_PROXY"] === "readonly";
  const listed = membersIn(given["ETCD_INITIAL_CLUSTER"]);
  const staticPeers = listed.map(({ peerUrl }) => peerUrl);
  if (hasData && !proxyOnly) {
    return member("its etcd has data");
  }
  if (given["ETCD_DISCOVERY"] !== undefined) return { is: "ask-token", url: given["ETCD_DISCOVERY"] };
  if (given["ETCD_DISCOVERY_SRV"] !== undefined)
    return { is: "ask-names", domain: given["ETCD_DISCOVERY_SRV"] };
  if (proxyOnly) {
    return { is: "proxy", endpoints: storeEndpoints, peers: staticPeers, why: "ETCD_PROXY says so" };
  }
  if (listed.length > 0) return decideByList(settings, listed);
  if (storeEndpoints.length > 0) {
    return { is: "proxy", endpoints: storeEndpoints, peers: [], why: "ARGOSY_STORE_ENDPOINTS names a store" };
  }
  if (Object.keys(given).length > 0) {
    return member("its etcd has settings");
  }
  return { is: "embedded", why: "nothing names other machines" };
}

/** One of the members that a static list names. */
interface ListedMember {
  readonly name: string;
  readonly peerUrl: string;
}

function membersIn(list: string | undefined): readonly ListedMember[] {
  return urlsIn(list).map((pair) => {
    const [, name = "", peerUrl = ""] = /^([^=]*)=(.*)$/.exec(pair) ?? ["", "", pair];
    return { name, peerUrl };
  });
}

/**
 * What a static list makes of a machine. Its address or its name tells which of the members it is, so that one list
 * serves all machines; who is not among them uses the members and is none. An etcd that the administrator named is
 * taken at his word.
 */
function decideByList(
  { given, own, hostname }: BootstrapSettings,
  listed: readonly ListedMember[],
): Decision {
  const why = "it is told all members";
  const variables = addressVariables(given, own);
  if (given["ETCD_NAME"] !== undefined || own.address === "")
    return { is: "member", variables, sure: true, why };
  const peerUrl = ownPeerUrl({ ...given, ...variables });
  const itself =
    listed.find((member) => member.peerUrl === peerUrl) ??
    listed.find(({ name, peerUrl: url }) => [name, URL.parse(url)?.hostname].includes(hostname));
  if (itself !== undefined)
    return { is: "member", variables: { ...variables, ETCD_NAME: itself.name }, sure: true, why };
  const peers = listed.map((member) => member.peerUrl);
  return {
    is: "proxy",
    endpoints: [],
    peers,
    why: `the list of members has neither ${peerUrl} nor ${hostname}`,
  };
}

/** What is registered below a discovery token. */
export interface Token {
  readonly url: string;
  readonly size: number;
  /** In the order they came. */
  readonly registered: readonly Registration[];
}

export interface Registration {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/**
 * What a token makes of a machine. The first `size` that register are the members; who comes later is a proxy. Only a
 * machine that stands in the list is `sure`: another may take the last place while its etcd registers.
 */
export function decideByToken(settings: BootstrapSettings, token: Token): Decision {
  const variables = { ...addressVariables(settings.given, settings.own) };
  const all = { ...settings.given, ...variables };
  const peerUrl = ownPeerUrl(all);
  const first = token.registered.slice(0, token.size);
  const isIn = first.some(({ peerUrls }) => peerUrls.includes(peerUrl));
  const isFull = first.length >= token.size;
  if (isIn && isFull) {
    // Registered before, but stopped before there was data: etcd itself would refuse to register twice.
    const cluster = first.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`));
    const listed = {
      ...noBootstrap,
      ETCD_INITIAL_CLUSTER: cluster.join(","),
      ETCD_INITIAL_CLUSTER_TOKEN: token.url,
      ETCD_INITIAL_CLUSTER_STATE: "new",
    };
    return { is: "member", variables: { ...variables, ...listed }, sure: true, why: "its token lists it" };
  }
  if (isFull) {
    return {
      is: "proxy",
      endpoints: [],
      peers: first.flatMap(({ peerUrls }) => peerUrls),
      why: `its token has its ${token.size} members`,
    };
  }
  const searching = { ...variables, ETCD_DISCOVERY_FALLBACK: "exit", ETCD_PROXY: "" };
  return {
    is: "member",
    variables: searching,
    sure: false,
    why: `its token has ${first.length} of ${token.size} members`,
  };
}

/** What the names of a domain say (RFC 2782). */
export interface Names {
  readonly domain: string;
  /** Addresses of members' peers, by name and, where names have addresses, by those too. */
  readonly peers: readonly { readonly url: string; readonly addresses: readonly string[] }[];
  /** Addresses for clients. */
  readonly clients: readonly string[];
}

/** What names make of a machine: those that stand in `_etcd-server._tcp` are the members, as etcd itself has it. */
export function decideByNames(settings: BootstrapSettings, names: Names): Decision {
  const variables = addressVariables(settings.given, settings.own);
  const own = URL.parse(ownPeerUrl({ ...settings.given, ...variables }));
  const listed = names.peers.find(({ url, addresses }) => {
    const peer = URL.parse(url);
    if (peer === null || own === null || peer.port !== own.port) return false;
    return peer.hostname === own.hostname || addresses.includes(own.hostname);
  });
  if (listed !== undefined) {
    // etcd goes by what the records say, so that is what it has to call itself.
    const called = { ...variables, ETCD_INITIAL_ADVERTISE_PEER_URLS: listed.url };
    return { is: "member", variables: called, sure: true, why: `names of ${names.domain} list it` };
  }
  return {
    is: "proxy",
    endpoints: names.clients,
    peers: names.peers.map(({ url }) => url),
    why: `names of ${names.domain} list others`,
  };
}
