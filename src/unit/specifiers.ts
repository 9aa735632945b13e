import { splitName } from "./name.ts";

/**
 * Replaces `%n`, `%N`, `%p` and `%i` in a value of [X-Fleet], one after the other and without any escape, so that a later
 * one sees what an earlier one gave (fleet v1.0.0). Everything else, and every other section, is systemd's to expand.
 */
export function expandSpecifiers(value: string, name: string): string {
  const parts = splitName(name);
  if (parts === undefined || !value.includes("%")) return value;
  return value
    .replaceAll("%n", () => name)
    .replaceAll("%N", () => parts.stem)
    .replaceAll("%p", () => parts.prefix)
    .replaceAll("%i", () => parts.instance ?? "");
}
