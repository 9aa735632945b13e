import { mayGovern, mayUse, type Access, type Caller, type KeyUse } from "./access.ts";
import { isKeysError, type KeysError } from "./errors.ts";
import type { Keyspace } from "./keyspace.ts";

/** Checks the password of a user against what is kept of it. */
export interface PasswordCheck {
  /** Throws Fault `passwords-busy`. */
  fits(password: string, kept: string): Promise<boolean>;
}

/** Lets requests through, or not, as users and roles say. */
export class Gate {
  readonly #keyspace: Pick<Keyspace, "access">;
  readonly #passwords: PasswordCheck;

  constructor(keyspace: Pick<Keyspace, "access">, passwords: PasswordCheck) {
    this.#keyspace = keyspace;
    this.#passwords = passwords;
  }

  /**
   * Whether a request may use a key; at once while authentication is off.
   * @param authorization the header of this name
   */
  mayUse(
    authorization: string | undefined,
    use: KeyUse,
    signal: AbortSignal,
  ): boolean | Promise<boolean | KeysError> {
    const access = this.#keyspace.access(signal);
    if (!(access instanceof Promise) && !access.enabled) return true;
    return this.#decide(access, authorization, (known, caller) => mayUse(known, caller, use));
  }

  /** Whether it is known that everybody may use every key. */
  isOpen(): boolean {
    const access = this.#keyspace.access(toItsEnd);
    return !(access instanceof Promise) && !access.enabled;
  }

  /** Whether a request may change users, roles and members. */
  mayGovern(authorization: string | undefined, signal: AbortSignal): Promise<boolean | KeysError> {
    return this.#decide(this.#keyspace.access(signal), authorization, mayGovern);
  }

  async #decide(
    coming: Access | Promise<Access | KeysError>,
    authorization: string | undefined,
    allows: (access: Access, caller: Caller) => boolean,
  ): Promise<boolean | KeysError> {
    const access = await coming;
    if (isKeysError(access)) return access;
    return !access.enabled || allows(access, await this.#callerOf(authorization, access));
  }

  async #callerOf(authorization: string | undefined, access: Access): Promise<Caller> {
    if (authorization === undefined || authorization === "") return { kind: "guest" };
    const credentials = readCredentials(authorization);
    const user = credentials && access.users.get(credentials.name);
    if (credentials === undefined || user === undefined) return { kind: "unproven" };
    const proven = await this.#passwords.fits(credentials.password, user.password);
    return proven ? { kind: "user", name: credentials.name } : { kind: "unproven" };
  }
}

const toItsEnd = new AbortController().signal;

/** The name and password of HTTP Basic (RFC 7617); undefined when the header is none of it. */
export function readCredentials(
  authorization: string,
): { readonly name: string; readonly password: string } | undefined {
  const [, encoded = ""] = /^basic (.*)$/i.exec(authorization) ?? [];
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(encoded)) return undefined;
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const text = new TextDecoder().decode(bytes);
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
