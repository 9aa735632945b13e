import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Entry, entryLine, validateUserData } from "../../src/cloudinit/validate.ts";
import { type ApplyCase, replayApply } from "./cloud-config-apply.ts";

/** A validator case in the recorded format. */
interface ValidateCase {
  readonly name: string;
  readonly tags: readonly string[];
  readonly input?: string;
  readonly input_base64?: string;
  readonly expect: {
    readonly exit_code: number;
    readonly entries: readonly Entry[];
    readonly failure: string | null;
  };
}

/** What came of one case; no difference means that it passed. */
export interface CaseResult {
  readonly name: string;
  readonly differences: readonly string[];
}

/** Replays all cases of a folder that holds `validate/*.json`, `apply/*.json` or cases themselves. */
export async function* replayCloudConfig(folder: string, only: string): AsyncGenerator<CaseResult> {
  const cases = casePaths(folder).map((path) => ({ path, read: readCase(path) }));
  for (const { read } of cases.filter((each) => each.read.name.includes(only))) {
    yield {
      name: read.name,
      differences: isApply(read) ? await replayApply(read) : replayValidate(read),
    };
  }
}

function casePaths(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".json"))
    .toSorted()
    .map((path) => join(folder, path));
}

function readCase(path: string): ValidateCase | ApplyCase {
  return JSON.parse(readFileSync(path, "utf8"));
}

function isApply(each: ValidateCase | ApplyCase): each is ApplyCase {
  return "datasource" in each;
}

function replayValidate({ input, input_base64, tags, expect }: ValidateCase): readonly string[] {
  const bytes = input === undefined ? Buffer.from(input_base64 ?? "", "base64") : Buffer.from(input);
  const entries = validateUserData(bytes);
  const code = entries.length > 0 ? 1 : 0;
  if (code !== expect.exit_code) return [`exits with ${code}, not ${expect.exit_code}`];
  // The original failed within: only the exit code says something.
  if (tags.includes("crash")) return [];
  const got = entries.map(entryLine);
  const want = expect.entries.map(entryLine);
  return [
    ...without(want, got).map((line) => `lacks ${line}`),
    ...without(got, want).map((line) => `says ${line}`),
  ];
}

function without(lines: readonly string[], taken: readonly string[]): string[] {
  const left = [...taken];
  return lines.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
