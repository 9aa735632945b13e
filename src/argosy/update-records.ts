import type { Call, Flag } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";
import { isName } from "../update/server-records.ts";
import type { RecordKind, UpdateRegistry } from "../update/update-registry.ts";
import { told } from "./update-output.ts";

/** Carries out `work` with the records of the update server. */
export type WithRegistry = <Result>(
  call: Call,
  work: (registry: UpdateRegistry) => Promise<Result>,
) => Promise<Result>;

/** Removes a record and tells so; with `isTrial` only the latter. Throws Fault `no-such-record`. */
export async function forget(
  call: Call,
  registry: UpdateRegistry,
  kind: RecordKind,
  name: string,
  isTrial = false,
): Promise<number> {
  if (isTrial && (await registry.has(kind, name)))
    return told(call, `The ${kind} ${name} would be forgotten.`, { wouldRemove: name });
  if (!(await registry.remove(kind, name))) throw new Fault("no-such-record", `there is no ${kind} ${name}`);
  return told(call, `The ${kind} ${name} is forgotten.`, { removed: name });
}

/** Throws Fault `bad-flags` when a flag was given that changes a record, and no record was named. */
export function expectNamed(
  { arguments: words, flags }: Call,
  {
    changing,
    usage,
    words: needed = 1,
  }: { readonly changing: readonly string[]; readonly usage: string; readonly words?: number },
): void {
  const given = changing.find((flag) => flags.given(flag));
  if (words.length < needed && given !== undefined)
    throw new Fault(
      "bad-flags",
      `--${given} does not say of what; write argosy update-server ${usage} --${given}`,
    );
}

/** For commands that change what machines are given. */
export const dryRunFlag: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "show what would be, and change nothing",
};

/** The address of a folder, with its final slash. Throws Fault `bad-url`. */
export function webFolder(url: string): string {
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    throw new Fault(
      "bad-url",
      `--url "${url}" is no address; write one such as http://10.0.0.5:8088/images/`,
    );
  return url.endsWith("/") ? url : `${url}/`;
}

/** The name, if it can be one of a record. Throws Fault `bad-name`. */
export function checkedName(name: string): string {
  if (isName(name)) return name;
  throw new Fault(
    "bad-name",
    `"${name}" cannot be a name; use letters, digits, dots, dashes and underscores`,
  );
}
