import type { Call, Flag } from "./command.ts";

/** Every command that reads something has this flag and, with it, prints one JSON value and nothing else. */
export const jsonFlag: Flag = { name: "json", kind: "switch", summary: "print JSON instead of text" };

/** Prints a value as indented JSON with a final newline. */
export function printJson(call: Call, value: unknown): void {
  call.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
