/** Patterns of keys that a role lets through: `/a*` is every key that begins with `/a`, others are one key each. */
export interface Permissions {
  /** Null where a role was made without a list: clients are shown the difference. */
  readonly read: readonly string[] | null;
  readonly write: readonly string[] | null;
}

export interface User {
  /** What `checkPassword` takes; never shown. */
  readonly password: string;
  readonly roles: readonly string[] | null;
}

/** Who may do what, as it is kept in the store (etcd v2 API, "Authentication and roles"). */
export interface Access {
  /** While it is off everybody may do everything. */
  readonly enabled: boolean;
  readonly users: ReadonlyMap<string, User>;
  /** Without the role `root`, which always is there. */
  readonly roles: ReadonlyMap<string, Permissions>;
  /** Whether users or roles were ever kept. */
  readonly begun: boolean;
}

/** Nobody has made users or roles yet. */
export const openAccess: Access = { enabled: false, users: new Map(), roles: new Map(), begun: false };

/** Name of the user who may switch authentication on, and of the role that may do everything. */
export const root = "root";
/** The role of requests without credentials. */
export const guest = "guest";

/** What the roles `root` and, at its making, `guest` let through. */
export const everything: Permissions = { read: ["/*"], write: ["/*"] };

/** Who a request comes from. */
export type Caller =
  | { readonly kind: "user"; readonly name: string }
  | { readonly kind: "guest" }
  /** It names somebody and does not prove it. */
  | { readonly kind: "unproven" };

/** The permissions of a role; undefined when there is no such role. */
export function permissionsOf(access: Access, role: string): Permissions | undefined {
  return role === root ? everything : access.roles.get(role);
}

/** A user's roles; the user root always has the role of the same name. */
export function rolesOf(name: string, user: User): readonly string[] {
  const roles = user.roles ?? [];
  return name === root && !roles.includes(root) ? [...roles, root] : roles;
}

/** Whether the caller may change users, roles and members. */
export function mayGovern(access: Access, caller: Caller): boolean {
  if (!access.enabled) return true;
  if (caller.kind !== "user") return false;
  const user = access.users.get(caller.name);
  return user !== undefined && rolesOf(caller.name, user).includes(root);
}

/** What a request wants to do with the keys. */
export interface KeyUse {
  /** The key as it was asked for, with a slash at its end if there was one. */
  readonly key: string;
  readonly write: boolean;
  /** Whether everything below is meant as well. */
  readonly recursive: boolean;
}

/** Whether the caller may do this with the keys. */
export function mayUse(access: Access, caller: Caller, use: KeyUse): boolean {
  if (!access.enabled) return true;
  if (caller.kind === "unproven") return false;
  // etcd asks less of a guest: a pattern without `*` is enough for everything below its key.
  if (caller.kind === "guest") return roleAllows(access, guest, { ...use, recursive: false });
  const user = access.users.get(caller.name);
  return user !== undefined && rolesOf(caller.name, user).some((role) => roleAllows(access, role, use));
}

function roleAllows(access: Access, role: string, { key, write, recursive }: KeyUse): boolean {
  if (role === root) return true;
  const permissions = access.roles.get(role);
  const patterns = (write ? permissions?.write : permissions?.read) ?? [];
  return patterns.some((pattern) => {
    if (pattern.endsWith("*")) return key.startsWith(pattern.slice(0, -1));
    return !recursive && pattern === key;
  });
}
