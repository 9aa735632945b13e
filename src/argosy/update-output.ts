import { type Call, exitCodes } from "../cli/command.ts";
import { printJson } from "../cli/json.ts";

/** Tells what a command did: in a sentence, or its value with `--json`. */
export function told(call: Call, sentence: string, value: object): number {
  if (call.flags.on("json")) printJson(call, value);
  else call.stdout.write(`${sentence}\n`);
  return exitCodes.done;
}

/** A moment as tables show it, to the second and in UTC. @param ms since 1970 */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
