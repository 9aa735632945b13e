import { editsBetween } from "../lib/edit-distance.ts";

/** Names of which `typed` may be a misspelling: at most two edits away, or beginning with it. */
export function namesLike(typed: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith(typed) || editsBetween(typed, name) <= 2);
}
