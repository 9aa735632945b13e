import type { Permissions } from "./access.ts";
import { firstJson } from "./go-json.ts";

/** What a request about a user says; a name or a password that is left out is empty, as in Go. */
export interface UserBody {
  readonly user: string;
  readonly password: string;
  readonly roles: readonly string[] | null;
  readonly grant: readonly string[];
  readonly revoke: readonly string[];
}

/** What a request about a role says. */
export interface RoleBody {
  readonly role: string;
  readonly permissions: Permissions;
  /** Undefined where nothing is granted. */
  readonly grant: Permissions | undefined;
  readonly revoke: Permissions | undefined;
}

/** Undefined when the text is no JSON of the right kinds. */
export function readUserBody(text: string): UserBody | undefined {
  return read(text, (fields) => ({
    user: textOf(fields.get("user")),
    password: textOf(fields.get("password")),
    roles: textsOf(fields.get("roles")),
    grant: textsOf(fields.get("grant")) ?? [],
    revoke: textsOf(fields.get("revoke")) ?? [],
  }));
}

/** Undefined when the text is no JSON of the right kinds. */
export function readRoleBody(text: string): RoleBody | undefined {
  return read(text, (fields) => ({
    role: textOf(fields.get("role")),
    permissions: permissionsOf(fields.get("permissions")),
    grant: filled(permissionsOf(fields.get("grant"))),
    revoke: filled(permissionsOf(fields.get("revoke"))),
  }));
}

/** Carries a value of the wrong kind out of the reading. */
class WrongKind extends Error {}

type Fields = ReadonlyMap<string, unknown>;

function read<Body>(text: string, bodyOf: (fields: Fields) => Body): Body | undefined {
  const json = firstJson(text);
  if (json === undefined) return undefined;
  try {
    return bodyOf(fieldsOf(json.value));
  } catch (error) {
    if (error instanceof WrongKind) return undefined;
    throw error;
  }
}

/** Names in small letters, since Go takes them in any case; null is an object without fields. */
function fieldsOf(value: unknown): Fields {
  if (value === null || value === undefined) return new Map();
  if (typeof value !== "object" || Array.isArray(value)) throw new WrongKind();
  return new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw new WrongKind();
  return value;
}

function textsOf(value: unknown): readonly string[] | null {
  if (value === null || value === undefined) return null;
  if (!Array.isArray(value)) throw new WrongKind();
  return value.map(textOf);
}

function permissionsOf(value: unknown): Permissions {
  const kv = fieldsOf(fieldsOf(value).get("kv"));
  return { read: textsOf(kv.get("read")), write: textsOf(kv.get("write")) };
}

/** Lists that are all empty grant and revoke nothing, as if they were not there. */
function filled(permissions: Permissions): Permissions | undefined {
  return isEmpty(permissions) ? undefined : permissions;
}

/** Whether no key is let through. */
export function isEmpty({ read: reads, write }: Permissions): boolean {
  return (reads?.length ?? 0) === 0 && (write?.length ?? 0) === 0;
}
