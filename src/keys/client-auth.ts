import { Fault } from "../lib/fault.ts";
import { type ClientResponse, type ClusterClient, jsonOf, type Question } from "./client.ts";
import { goJson } from "./client-text.ts";

/** A user, with the names of its roles. */
export interface ClientUser {
  readonly user: string;
  readonly roles: readonly string[];
}

/** A role with the patterns it may read and write. */
export interface ClientRole {
  readonly role: string;
  readonly read: readonly string[];
  readonly write: readonly string[];
}

/** Users, roles and the switch (etcd v2 API, `/v2/auth`). What the server refuses is thrown as Fault `auth-error`. */
export class AuthClient {
  readonly #cluster: ClusterClient;

  constructor(cluster: ClusterClient) {
    this.#cluster = cluster;
  }

  async enable(): Promise<void> {
    await this.#ask({ method: "PUT", path: "/v2/auth/enable" });
  }

  async disable(): Promise<void> {
    await this.#ask({ method: "DELETE", path: "/v2/auth/enable" });
  }

  async users(): Promise<readonly string[]> {
    const { users } = jsonOf(await this.#ask({ method: "GET", path: "/v2/auth/users" })) as {
      users?: readonly (string | { user?: string })[] | null;
    };
    return (users ?? []).map((user) => (typeof user === "string" ? user : (user.user ?? "")));
  }

  async user(name: string): Promise<ClientUser> {
    const body = jsonOf(await this.#ask({ method: "GET", path: userPath(name) })) as {
      user?: string;
      roles?: readonly (string | { role?: string })[] | null;
    };
    const roles = (body.roles ?? []).map((role) => (typeof role === "string" ? role : (role.role ?? "")));
    return { user: body.user ?? name, roles };
  }

  /** Makes a user, or gives it another password. */
  async putPassword(user: string, password: string): Promise<void> {
    await this.#changeUser(user, { user, ...(password !== "" && { password }), roles: null });
  }

  async grantUser(user: string, roles: readonly string[]): Promise<void> {
    await this.#changeUser(user, { user, roles: null, grant: roles });
  }

  async revokeUser(user: string, roles: readonly string[]): Promise<void> {
    await this.#changeUser(user, { user, roles: null, revoke: roles });
  }

  async removeUser(name: string): Promise<void> {
    await this.#ask({ method: "DELETE", path: userPath(name) });
  }

  async roles(): Promise<readonly string[]> {
    const answer = await this.#cluster.ask({ method: "GET", path: "/v2/auth/roles" });
    if (answer.status !== 200) throw new Fault("auth-error", `unexpected status code ${answer.status}`);
    const { roles } = jsonOf(answer) as { roles?: readonly (string | { role?: string })[] | null };
    return (roles ?? []).map((role) => (typeof role === "string" ? role : (role.role ?? "")));
  }

  async role(name: string): Promise<ClientRole> {
    const body = jsonOf(await this.#ask({ method: "GET", path: rolePath(name) })) as {
      role?: string;
      permissions?: { kv?: { read?: readonly string[] | null; write?: readonly string[] | null } };
    };
    const { read, write } = body.permissions?.kv ?? {};
    return { role: body.role ?? name, read: read ?? [], write: write ?? [] };
  }

  async addRole(role: string): Promise<void> {
    await this.#changeRole(role, { role, permissions: nothing });
  }

  /** Adds patterns to a role, or with `revoke` takes them away. */
  async changePermissions(
    role: string,
    change: "grant" | "revoke",
    kv: { readonly read: readonly string[] | null; readonly write: readonly string[] | null },
  ): Promise<void> {
    await this.#changeRole(role, { role, permissions: nothing, [change]: { kv } });
  }

  async removeRole(name: string): Promise<void> {
    await this.#ask({ method: "DELETE", path: rolePath(name) });
  }

  async #changeUser(name: string, body: object): Promise<void> {
    await this.#ask({ method: "PUT", path: userPath(name), json: goJson(body) });
  }

  async #changeRole(name: string, body: object): Promise<void> {
    await this.#ask({ method: "PUT", path: rolePath(name), json: goJson(body) });
  }

  async #ask(question: Question): Promise<ClientResponse> {
    const answer = await this.#cluster.ask(question);
    if (answer.status === 200 || answer.status === 201) return answer;
    const { message = "" } = jsonOf(answer) as { message?: string };
    throw new Fault("auth-error", message);
  }
}

const nothing = { kv: { read: null, write: null } };

function userPath(name: string): string {
  return `/v2/auth/users/${encodeURIComponent(name)}`;
}

function rolePath(name: string): string {
  return `/v2/auth/roles/${encodeURIComponent(name)}`;
}
