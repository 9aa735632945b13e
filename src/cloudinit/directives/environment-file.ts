import { type Action, type Facts, writeText } from "../actions.ts";
import type { Addresses } from "../metadata.ts";

const path = "/etc/environment";

/** Keeps /etc/environment in step with the machine's addresses; nothing when it is, or when the user writes the file. */
export function environmentFile(
  addresses: Addresses,
  { files }: Facts,
  written: ReadonlySet<string>,
): readonly Action[] {
  if (written.has(path)) return [];
  const pending = new Map<string, string>(
    Object.entries(addresses)
      .map(([name, address]) => [`COREOS_${name.toUpperCase()}`, address] as const)
      .filter(([, address]) => address !== "")
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
  if (pending.size === 0) return [];
  const before = files[path] ?? "";
  const lines = before === "" ? [] : before.replace(/\r?\n$/, "").split("\n");
  const changed = lines.map((raw) => {
    const line = raw.replace(/\r$/, "");
    const name = line.split("=", 1)[0] ?? "";
    const value = pending.get(name);
    if (value === undefined || !line.includes("=")) return line;
    pending.delete(name);
    return `${name}=${value}`;
  });
  const after = [...changed, ...Array.from(pending, ([name, value]) => `${name}=${value}`)];
  const text = after.map((line) => `${line}\n`).join("");
  return text === before ? [] : [writeText(path, text)];
}
