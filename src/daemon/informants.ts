import { Resolver } from "node:dns/promises";
import { get } from "node:https";
import { isIP } from "node:net";
import type { Names } from "../membership/bootstrap.ts";
import type { Informants } from "../membership/settle.ts";
import { readToken } from "../membership/token.ts";
import type { EtcdTls } from "../store/etcd/member.ts";
import { Fault, isFault, sentenceOf } from "../lib/fault.ts";

/** How long a question may take (etcd v2 discovery protocol: 5 s). */
const answerLimitMs = 5_000;
/** How long a wait for a registration is kept open before the token is read again. */
const waitLimitMs = 60_000;
/** The largest answer that is read; a token with 1000 registrations has about 200 KB. */
const mostAnswerBytes = 4 * 1024 * 1024;

/**
 * Asks over HTTP and DNS.
 * @param tls for members whose peers speak https
 */
export function realInformants(tls?: EtcdTls): Informants {
  return { ...informants, clientsOf: async (peers, signal) => await clientsOf(peers, tls, signal) };
}

const informants: Omit<Informants, "clientsOf"> = {
  async readToken(url, signal) {
    const size = await text(`${url}/_config/size?quorum=false&recursive=false&sorted=false`, signal);
    return readToken(url, size, await text(`${url}?quorum=false&recursive=false&sorted=false`, signal));
  },

  async untilTokenChanges(token, signal) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(waitLimitMs)]);
    try {
      // The wait begins before the token is read again, so that no registration falls between the two.
      const change = await fetch(`${token.url}?recursive=true&wait=true`, { signal: limit });
      const again = await informants.readToken(token.url, limit);
      const isMore = again.registered.length !== token.registered.length;
      if (isMore) await change.body?.cancel();
      else await change.text();
    } catch (error) {
      signal.throwIfAborted();
      if (isFault(error)) throw error;
      if (!limit.aborted) throw noAnswer(token.url, error);
    }
  },

  async readNames(domain, signal) {
    return await readNames(domain, signal);
  },
};

async function clientsOf(
  peers: readonly string[],
  tls: EtcdTls | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let failure: unknown = new Fault("no-members", "cannot find the members: nobody is named");
  for (const peer of peers) {
    try {
      // etcd tells its peers, and whoever asks where its peers do, who the members are (etcd 2.0 or later).
      const url = `${peer}/members`;
      const answer = peer.startsWith("https:")
        ? await securedText(url, tls, signal)
        : await text(url, signal);
      const members = JSON.parse(answer) as readonly { clientURLs?: string[] }[];
      const clients = members.flatMap(({ clientURLs = [] }) => clientURLs.slice(0, 1));
      if (clients.length > 0) return clients;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}

/** As `text`, from a member that has a certificate of its own authority and wants to see ours. */
function securedText(url: string, tls: EtcdTls | undefined, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(isFault(error) ? error : noAnswer(url, error));
    const request = get(url, { ...tls, agent: false, signal: limit }, (answer) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      answer.on("data", (piece: Buffer) => {
        bytes += piece.length;
        pieces.push(piece);
        if (bytes > mostAnswerBytes)
          request.destroy(new Fault("no-answer", `cannot use the answer of ${url}: it is too long`));
      });
      answer.on("end", () => resolve(Buffer.concat(pieces).toString()));
      answer.on("error", fail);
    });
    request.on("error", fail);
  });
}

async function text(url: string, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
  try {
    const answer = await fetch(url, { signal: limit, headers: { Connection: "close" } });
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of answer.body ?? []) {
      bytes += piece.length;
      if (bytes > mostAnswerBytes)
        throw new Fault("no-answer", `cannot use the answer of ${url}: it is too long`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString();
  } catch (error) {
    signal.throwIfAborted();
    throw isFault(error) ? error : noAnswer(url, error);
  }
}

function noAnswer(url: string, error: unknown): Fault {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new Fault("no-answer", `${url} does not answer (${sentenceOf(cause)})`, { cause: error });
}

/** The records that etcd itself asks for: with TLS first, then without (etcd --discovery-srv). */
async function readNames(domain: string, signal: AbortSignal): Promise<Names> {
  const resolver = new Resolver({ timeout: answerLimitMs, tries: 2 });
  const cancel = (): void => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const peers = [
      ...(await services(resolver, `_etcd-server-ssl._tcp.${domain}`, "https")),
      ...(await services(resolver, `_etcd-server._tcp.${domain}`, "http")),
    ];
    if (peers.length === 0)
      throw new Fault(
        "no-names",
        `there is no record _etcd-server._tcp.${domain} (SRV), which ETCD_DISCOVERY_SRV needs`,
      );
    const clients = [
      ...(await services(resolver, `_etcd-client-ssl._tcp.${domain}`, "https")),
      ...(await services(resolver, `_etcd-client._tcp.${domain}`, "http")),
    ];
    return {
      domain,
      peers: await Promise.all(
        peers.map(async ({ url, name }) => ({ url, addresses: await addressesOf(resolver, name) })),
      ),
      clients: clients.map(({ url }) => url),
    };
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

async function services(
  resolver: Resolver,
  name: string,
  scheme: string,
): Promise<readonly { readonly url: string; readonly name: string }[]> {
  try {
    const records = await resolver.resolveSrv(name);
    return records.map(({ name: host, port }) => ({
      url: `${scheme}://${host.replace(/\.$/, "")}:${port}`,
      name: host,
    }));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTFOUND" || code === "ENODATA") return [];
    throw new Fault("no-answer", `cannot look up ${name} (SRV): ${sentenceOf(error)}`, { cause: error });
  }
}

async function addressesOf(resolver: Resolver, name: string): Promise<readonly string[]> {
  if (isIP(name) !== 0) return [name];
  return await resolver.resolve4(name).catch(() => []);
}
