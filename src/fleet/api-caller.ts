import type { Caller } from "./events.ts";

/** The header in which a client says for whom it acts, such as `core@laptop`. Nothing proves it. */
export const userHeader = "Argosy-User";

/** Longer texts about a caller are cut: they are written to the store with every change. */
const mostCharacters = 100;

/**
 * Who sends a request, as far as that can be known.
 * @param address where the connection comes from; undefined for a local socket
 */
export function callerOf(headers: Headers, address: string | undefined): Caller {
  const user = shown(headers.get(userHeader));
  const program = shown(headers.get("User-Agent"));
  return {
    ...(user === undefined ? {} : { user }),
    ...(address === undefined ? {} : { address: address.replace(/^::ffff:/, "") }),
    ...(program === undefined ? {} : { program }),
  };
}

function shown(text: string | null): string | undefined {
  const printable = text?.replaceAll(/[^\x20-\x7e]/g, "").slice(0, mostCharacters) ?? "";
  return printable === "" ? undefined : printable;
}
