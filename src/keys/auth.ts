import { compareKeys } from "../store/range.ts";
import {
  everything,
  guest,
  permissionsOf,
  root,
  rolesOf,
  type Access,
  type Permissions,
  type User,
} from "./access.ts";
import { isEmpty, readRoleBody, readUserBody, type RoleBody, type UserBody } from "./auth-body.ts";
import { jsonLine, message, type PlainAnswer, type PlainRequest } from "./plain-answer.ts";

/** An answer of `/v2/auth`, and what it changes. */
export interface AuthDecision {
  readonly answer: PlainAnswer;
  readonly change?: AccessChange;
}

export interface AccessChange {
  readonly access: Access;
  /** How many indices of the keys it uses up: etcd keeps users and roles among the keys, out of sight. */
  readonly indices: number;
}

/** Indices that the first user or role uses up besides its own: three directories, and the mark that says "off". */
const firstIndices = 4;

const badJson = message(400, "Invalid JSON in request body.");
const success: PlainAnswer = { status: 200, type: "application/json", text: "" };

/** Which methods a path below `/v2/auth` takes; undefined when there is nothing at it (etcd v2 API, "Auth API"). */
export function authMethods(below: string): readonly string[] | undefined {
  if (below === "enable") return ["GET", "PUT", "DELETE"];
  if (/^(?:users|roles)\/?$/.test(below)) return ["GET"];
  return /^(?:users|roles)\//.test(below) ? ["GET", "PUT", "DELETE"] : undefined;
}

/** Whether a request names more than a user or a role; such ones are refused before anybody is asked who they are. */
export function isTooDeep(below: string): boolean {
  return below.replace(/\/$/, "").split("/").length > 2;
}

/** The refusal of a request that names too much. */
export const invalidPath = message(400, "Invalid path");

/** The refusal of everybody who may not govern. */
export const insufficient = message(401, "Insufficient credentials");

/** The password that a request brings, so that it can be hashed before the decision; undefined when there is none. */
export function passwordIn({ method, below, body }: PlainRequest): string | undefined {
  if (method !== "PUT" || !below.startsWith("users/")) return undefined;
  return readUserBody(body)?.password || undefined;
}

/**
 * `/v2/auth` (etcd v2 API, "Auth API") for somebody who may govern.
 * @param hash what is kept in place of the password in the request; undefined when it brings none
 */
export function decideAuth(request: PlainRequest, access: Access, hash: string | undefined): AuthDecision {
  const { method, below } = request;
  const [kind, name = ""] = below.split("/");
  if (kind === "enable") return decideEnable(method, access);
  if (kind === "users") {
    if (name === "") return { answer: usersAnswer(access) };
    if (method === "GET") return { answer: userAnswer(access, name) };
    return method === "DELETE" ? removeUser(access, name) : putUser(request, access, name, hash);
  }
  if (name === "") return { answer: rolesAnswer(access) };
  if (method === "GET") return { answer: roleAnswer(access, name) };
  return method === "DELETE" ? removeRole(access, name) : putRole(request, access, name);
}

function decideEnable(method: string, access: Access): AuthDecision {
  const { enabled, users, roles } = access;
  if (method === "GET") return { answer: jsonLine(200, { enabled }) };
  if (method === "DELETE") {
    if (!enabled) return { answer: message(409, "auth: already disabled") };
    return { answer: success, change: { access: { ...access, enabled: false }, indices: 1 } };
  }
  if (enabled) return { answer: message(409, "auth: already enabled") };
  if (!users.has(root)) return { answer: message(409, "auth: No root user available, please create one") };
  const on = { ...access, enabled: true };
  if (roles.has(guest)) return { answer: success, change: { access: on, indices: 1 } };
  return {
    answer: success,
    change: { access: { ...on, roles: new Map([...roles, [guest, everything]]) }, indices: 2 },
  };
}

function usersAnswer(access: Access): PlainAnswer {
  if (!access.begun) return jsonLine(200, { users: null });
  const names = Array.from(access.users.keys()).sort(compareKeys);
  const users = names.map((name) => {
    const roles = rolesOfUser(access, name).filter((role) => permissionsOf(access, role) !== undefined);
    return shownUser(access, name, roles);
  });
  return jsonLine(200, { users: users.length === 0 ? null : users });
}

function userAnswer(access: Access, name: string): PlainAnswer {
  if (!access.users.has(name)) return noUser(name);
  const roles = rolesOfUser(access, name);
  const missing = roles.find((role) => permissionsOf(access, role) === undefined);
  return missing === undefined ? jsonLine(200, shownUser(access, name, roles)) : noRole(missing);
}

function rolesOfUser(access: Access, name: string): readonly string[] {
  const user = access.users.get(name);
  return user === undefined ? [] : rolesOf(name, user);
}

function shownUser(access: Access, user: string, roles: readonly string[]): object {
  return { user, ...(roles.length > 0 && { roles: roles.map((role) => shownRole(access, role)) }) };
}

function shownRole(access: Access, role: string): object {
  const { read, write } = permissionsOf(access, role) ?? { read: null, write: null };
  return { role, permissions: { kv: { read, write } } };
}

function rolesAnswer(access: Access): PlainAnswer {
  const names = [...access.roles.keys(), root].sort(compareKeys);
  return jsonLine(200, { roles: names.map((name) => shownRole(access, name)) });
}

function roleAnswer(access: Access, name: string): PlainAnswer {
  return permissionsOf(access, name) === undefined ? noRole(name) : jsonLine(200, shownRole(access, name));
}

function removeUser(access: Access, name: string): AuthDecision {
  if (access.enabled && name === root) {
    return { answer: message(403, "auth: Cannot delete root user while auth is enabled.") };
  }
  if (!access.users.has(name)) return { answer: message(404, `auth: User ${name} does not exist`) };
  const users = new Map(access.users);
  users.delete(name);
  return { answer: success, change: { access: { ...access, users }, indices: 1 } };
}

function putUser(
  { body }: PlainRequest,
  access: Access,
  name: string,
  hash: string | undefined,
): AuthDecision {
  const wanted = readUserBody(body);
  if (wanted === undefined) return { answer: badJson };
  if (wanted.user !== name) {
    return { answer: message(400, "User JSON name does not match the name in the URL") };
  }
  const { roles, grant, revoke } = wanted;
  const hasRoles = roles !== null && roles.length > 0;
  const user = access.users.get(name);
  if (grant.length > 0 || revoke.length > 0) {
    if (hasRoles) return { answer: message(400, "User JSON contains both roles and grant/revoke") };
    return user === undefined ? { answer: noUser(name) } : changeUser(access, name, user, wanted, hash);
  }
  if (user !== undefined && !hasRoles) return changeUser(access, name, user, wanted, hash);
  if (hash === undefined) {
    return { answer: message(400, `auth: Cannot create user ${name} with an empty password`) };
  }
  if (user !== undefined) return { answer: message(409, `auth: User ${name} already exists.`) };
  const made: User = { password: hash, roles };
  // A user who is made with roles is answered as if there had been one before, as in etcd.
  return {
    answer: jsonLine(hasRoles ? 200 : 201, { user: name, roles: rolesShownAfter(name, made) }),
    change: madeIn(access, { users: new Map([...access.users, [name, made]]) }),
  };
}

function changeUser(
  access: Access,
  name: string,
  user: User,
  { grant, revoke }: UserBody,
  hash: string | undefined,
): AuthDecision {
  const before = rolesOf(name, user);
  const roles = new Set(before);
  for (const role of grant) {
    if (roles.has(role)) {
      return { answer: message(409, `auth: Granting duplicate role ${role} for user ${name}`) };
    }
    roles.add(role);
  }
  for (const role of revoke) {
    if (!roles.delete(role)) {
      return { answer: message(409, `auth: Revoking ungranted role ${role} for user ${name}`) };
    }
  }
  const after: User = { password: hash ?? user.password, roles: Array.from(roles).sort(compareKeys) };
  // Who was made without roles has none instead of an empty list, which counts as a change.
  const shownBefore = name === root ? before : user.roles;
  if (hash === undefined && sameTexts(shownBefore, after.roles)) {
    return {
      answer: message(400, "auth: User not updated. Use grant/revoke/password to update the user."),
    };
  }
  const users = new Map([...access.users, [name, after] as const]);
  return {
    answer: jsonLine(200, { user: name, roles: after.roles }),
    change: { access: { ...access, users }, indices: 1 },
  };
}

function rolesShownAfter(name: string, user: User): readonly string[] | null {
  return user.roles === null && name !== root ? null : rolesOf(name, user);
}

function removeRole(access: Access, name: string): AuthDecision {
  if (name === root) return { answer: rootRoleStays() };
  if (!access.roles.has(name)) return { answer: message(404, `auth: Role ${name} doesn't exist.`) };
  const roles = new Map(access.roles);
  roles.delete(name);
  return { answer: success, change: { access: { ...access, roles }, indices: 1 } };
}

function putRole({ body }: PlainRequest, access: Access, name: string): AuthDecision {
  const wanted = readRoleBody(body);
  if (wanted === undefined) return { answer: badJson };
  if (wanted.role !== name) {
    return { answer: message(400, "Role JSON name does not match the name in the URL") };
  }
  const { permissions, grant, revoke } = wanted;
  const changes = grant !== undefined || revoke !== undefined;
  if (changes && !isEmpty(permissions)) {
    return { answer: message(400, "Role JSON contains both permissions and grant/revoke") };
  }
  if (name === root) return { answer: rootRoleStays() };
  const role = access.roles.get(name);
  if (changes) return role === undefined ? { answer: noRole(name) } : changeRole(access, name, role, wanted);
  if (role !== undefined) return { answer: message(409, `auth: Role ${name} already exists.`) };
  const roles = new Map([...access.roles, [name, permissions] as const]);
  const made = { ...access, roles };
  return { answer: jsonLine(201, shownRole(made, name)), change: madeIn(access, { roles }) };
}

function changeRole(access: Access, name: string, role: Permissions, wanted: RoleBody): AuthDecision {
  const { grant, revoke } = wanted;
  let after = role;
  if (grant !== undefined) {
    const duplicate =
      duplicateOf("read", role.read, grant.read) ?? duplicateOf("write", role.write, grant.write);
    if (duplicate !== undefined) return { answer: message(409, `auth: Granting duplicate ${duplicate}`) };
    after = { read: joined(role.read, grant.read), write: joined(role.write, grant.write) };
  }
  // What was never granted is revoked without a word.
  if (revoke !== undefined) {
    after = { read: without(after.read, revoke.read), write: without(after.write, revoke.write) };
  }
  if (sameTexts(role.read, after.read) && sameTexts(role.write, after.write)) {
    return { answer: message(400, "auth: Role not updated. Use grant/revoke to update the role.") };
  }
  const roles = new Map([...access.roles, [name, after] as const]);
  const changed = { ...access, roles };
  return { answer: jsonLine(200, shownRole(changed, name)), change: { access: changed, indices: 1 } };
}

function duplicateOf(
  kind: "read" | "write",
  present: readonly string[] | null,
  granted: readonly string[] | null,
): string | undefined {
  const seen = new Set(present);
  for (const pattern of granted ?? []) {
    if (seen.has(pattern)) return `${kind} permission ${pattern}`;
    seen.add(pattern);
  }
  return undefined;
}

function joined(present: readonly string[] | null, granted: readonly string[] | null): readonly string[] {
  return Array.from(new Set([...(present ?? []), ...(granted ?? [])])).sort(compareKeys);
}

function without(present: readonly string[] | null, revoked: readonly string[] | null): readonly string[] {
  const left = new Set(present);
  for (const pattern of revoked ?? []) left.delete(pattern);
  return Array.from(left).sort(compareKeys);
}

/** A list that is missing differs from one that is empty, as Go compares them. */
function sameTexts(one: readonly string[] | null, other: readonly string[] | null): boolean {
  if (one === null || other === null) return one === other;
  return one.length === other.length && one.every((text, at) => text === other[at]);
}

function madeIn(access: Access, made: Partial<Access>): AccessChange {
  return { access: { ...access, ...made, begun: true }, indices: access.begun ? 1 : 1 + firstIndices };
}

function noUser(name: string): PlainAnswer {
  return message(404, `auth: User ${name} does not exist.`);
}

function noRole(name: string): PlainAnswer {
  return message(404, `auth: Role ${name} does not exist.`);
}

function rootRoleStays(): PlainAnswer {
  return message(403, "auth: Cannot modify role root: is root role.");
}
