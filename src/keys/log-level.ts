import { message, nothing, readObject, type PlainAnswer } from "./plain-answer.ts";

/** The levels that our log has. */
export type KeysLogLevel = "debug" | "info" | "warning" | "error";

/** etcd's levels, by name and by its short forms, and which of ours comes closest. */
const levels: ReadonlyMap<string, KeysLogLevel> = new Map([
  ...["CRITICAL", "C", "ERROR", "E", "0"].map((name) => [name, "error"] as const),
  ...["WARNING", "W", "1"].map((name) => [name, "warning"] as const),
  ...["NOTICE", "N", "2", "INFO", "I", "3"].map((name) => [name, "info"] as const),
  ...["DEBUG", "D", "4", "TRACE", "T", "5"].map((name) => [name, "debug"] as const),
]);

/** `PUT /config/local/log`: how much the log tells from now on, until the next start. */
export function answerLogLevel(body: string, setLevel: (level: KeysLogLevel) => void): PlainAnswer {
  const wanted = readObject(body);
  if (wanted === undefined) return message(400, "Invalid json body");
  const name = wanted.get("level") ?? "";
  if (typeof name !== "string") return message(400, "Invalid json body");
  const level = levels.get(name.toUpperCase());
  if (level === undefined) return message(400, `Invalid log level ${name}`);
  setLevel(level);
  return nothing;
}
