import type { Addresses } from "./metadata.ts";

/**
 * Puts addresses in place of `$public_ipv4` and its like, anywhere in the text. `\$public_ipv4` stays without the
 * backslash. As in the original the letter before a variable belongs to it, so of two that touch only the first is replaced.
 */
export function substitute(text: string, addresses: Addresses): string {
  let result = text;
  for (const [name, address] of Object.entries(addresses)) {
    result = result
      .replaceAll(new RegExp(`([^\\\\]|^)\\$${name}`, "g"), (_, before: string) => `${before}${address}`)
      .replaceAll(`\\$${name}`, `$${name}`);
  }
  return result;
}

/** The variables that a text uses and for which there is no address. */
export function emptyVariables(text: string, addresses: Addresses): readonly string[] {
  return Object.entries(addresses)
    .filter(([name, address]) => address === "" && new RegExp(`(?:[^\\\\]|^)\\$${name}`).test(text))
    .map(([name]) => `$${name}`);
}
