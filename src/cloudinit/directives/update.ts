import { type Action, type Facts, writeText } from "../actions.ts";
import { goQuoted } from "../../lib/go-quote.ts";
import type { TypedStruct } from "../read-config.ts";
import { strategyRule } from "../schema.ts";

const path = "/etc/coreos/update.conf";
const shipped = "/usr/share/coreos/update.conf";

/** `coreos.update`: its file. */
export function updateFile(config: TypedStruct, { files }: Facts): readonly Action[] {
  const given = config.struct("coreos").struct("update");
  const pending = new Map(
    [
      ["GROUP", given.text("group")] as const,
      ["REBOOT_STRATEGY", given.text("reboot_strategy")] as const,
      ["SERVER", given.text("server")] as const,
    ].filter(([, value]) => value !== ""),
  );
  if (pending.size === 0) return [];
  const strategy = given.text("reboot_strategy");
  if (strategy !== "" && !new RegExp(strategyRule).test(strategy)) {
    const sentence = `invalid value ${goQuoted(strategy)} for option "RebootStrategy" (valid options: "${strategyRule}")`;
    return [{ kind: "fail", sentence }];
  }
  const text = files[path] ?? files[shipped];
  if (text === undefined) return [{ kind: "fail", sentence: `open ${shipped}: no such file or directory` }];
  const lines = text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
  const changed = lines.map((line) => {
    // A bare test of the beginning, so that `GROUPING=` is taken for `GROUP`, as the original does.
    const key = [...pending.keys()].find((name) => line.startsWith(name));
    if (key === undefined) return line;
    const value = pending.get(key) ?? "";
    pending.delete(key);
    return `${key}=${value}`;
  });
  const added = [...pending].map(([key, value]) => `${key}=${value}`);
  return [writeText(path, [...changed, ...added].map((line) => `${line}\n`).join(""))];
}
