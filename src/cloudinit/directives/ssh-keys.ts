import type { Action } from "../actions.ts";

/** `ssh_authorized_keys`, of the whole cloud-config or of a user: nothing without keys. */
export function sshKeys(user: string, name: string, given: readonly string[]): readonly Action[] {
  const keys = given.map((key) => key.trim());
  return keys.length === 0 ? [] : [{ kind: "authorize-keys", user, name, keys }];
}
