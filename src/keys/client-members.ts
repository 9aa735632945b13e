import { Fault } from "../lib/fault.ts";
import { type ClientResponse, type ClusterClient, jsonOf } from "./client.ts";
import { goJson, problemWithPeerUrl } from "./client-text.ts";

/** A member of the cluster (etcd v2 API, `/v2/members`). */
export interface ClientMember {
  readonly id: string;
  /** Empty until it has started for the first time. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

/** The members behind a cluster. What the server refuses is thrown as Fault `members-error`. */
export class MembersClient {
  readonly #cluster: ClusterClient;

  constructor(cluster: ClusterClient) {
    this.#cluster = cluster;
  }

  async list(): Promise<readonly ClientMember[]> {
    const answer = await this.#cluster.ask({ method: "GET", path: "/v2/members" });
    expectStatus(answer, 200);
    const { members } = jsonOf(answer) as { members?: readonly Partial<ClientMember>[] | null };
    return (members ?? []).map(memberOf);
  }

  async leader(): Promise<ClientMember> {
    const answer = await this.#cluster.ask({ method: "GET", path: "/v2/members/leader" });
    expectStatus(answer, 200);
    return memberOf(jsonOf(answer) as Partial<ClientMember>);
  }

  async add(peerUrl: string): Promise<ClientMember> {
    const json = peersText([peerUrl]);
    const answer = await this.#cluster.ask({ method: "POST", path: "/v2/members", json });
    expectStatus(answer, 201, 409);
    if (answer.status === 409) throw refusal(answer);
    return memberOf(jsonOf(answer) as Partial<ClientMember>);
  }

  async update(id: string, peerUrls: readonly string[]): Promise<void> {
    const json = peersText(peerUrls);
    const answer = await this.#cluster.ask({ method: "PUT", path: memberPath(id), json });
    expectStatus(answer, 204, 404, 409);
    if (answer.status !== 204) throw refusal(answer);
  }

  /** Taking a member out that is already out is no error. */
  async remove(id: string): Promise<void> {
    const answer = await this.#cluster.ask({ method: "DELETE", path: memberPath(id) });
    expectStatus(answer, 204, 409, 410);
    // Not of etcd: of a store whose members are not changed this way.
    if (answer.status === 409) throw refusal(answer);
  }
}

function memberPath(id: string): string {
  return `/v2/members/${encodeURIComponent(id)}`;
}

function peersText(peerURLs: readonly string[]): string {
  for (const url of peerURLs) {
    const problem = problemWithPeerUrl(url);
    if (problem !== undefined) throw new Fault("members-error", problem);
  }
  return goJson({ peerURLs });
}

function memberOf({ id = "", name = "", peerURLs, clientURLs }: Partial<ClientMember>): ClientMember {
  return { id, name, peerURLs: peerURLs ?? [], clientURLs: clientURLs ?? [] };
}

function expectStatus(answer: ClientResponse, ...allowed: readonly number[]): void {
  if (allowed.includes(answer.status)) return;
  if (answer.status === 501) throw refusal(answer);
  throw new Fault("members-error", `unexpected status code ${answer.status}`);
}

function refusal(answer: ClientResponse): Fault {
  const { message = "" } = jsonOf(answer) as { message?: string };
  return new Fault("members-error", message);
}
