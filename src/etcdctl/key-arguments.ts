import type { Call, Flag } from "../cli/command.ts";
import { badFlag, misused } from "./outcome.ts";

/** `--ttl`, which may be negative and then means nothing. */
export const ttlFlag: Flag = {
  name: "ttl",
  kind: "text",
  placeholder: "SECONDS",
  summary: "remove the key after so many seconds",
  otherwise: "0",
};

export const sortFlag: Flag = { name: "sort", kind: "switch", summary: "sort keys by name" };

export const quorumFlag: Flag = {
  name: "quorum",
  short: "q",
  kind: "switch",
  summary: "read what a majority of the members agrees on",
};

export const recursiveFlag: Flag = {
  name: "recursive",
  short: "r",
  kind: "switch",
  summary: "with everything below the key",
};

export const afterIndexFlag: Flag = {
  name: "after-index",
  kind: "number",
  placeholder: "INDEX",
  summary: "begin with the first change after this index instead of now",
  otherwise: "0",
};

/** The first argument. */
export function keyOf(call: Call): string {
  const [key] = call.arguments;
  if (key === undefined) throw misused("key required");
  return key;
}

/** The second argument, or all of standard input as it is. */
export async function valueOf(call: Call): Promise<string> {
  const [, value] = call.arguments;
  if (value !== undefined) return value;
  const text = await call.stdin.text();
  if (text === "") throw misused("value required");
  return text;
}

/** Seconds of `--ttl`. */
export function ttlOf(call: Call): number {
  const text = call.flags.text("ttl") ?? "0";
  if (!/^[+-]?\d{1,15}$/.test(text)) throw badFlag(`invalid value "${text}" for flag -ttl: parse error`);
  return Number(text);
}
