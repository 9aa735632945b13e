import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout's folder. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

/** One file of the checkout. */
export interface SourceFile {
  /** Relative to the checkout, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** One import of a file: what it names, and the line it stands on, counted from 1. */
export interface Import {
  readonly from: string;
  readonly line: number;
}

/** Files that git tracks or would track, below some folders. */
export function filesBelow(...folders: readonly string[]): SourceFile[] {
  const listed = execFileSync(
    "git",
    ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...folders],
    {
      cwd: repository,
      encoding: "utf8",
    },
  );
  return listed
    .split("\n")
    .filter((path) => path !== "" && existsSync(posix.join(repository, path)))
    .map((path) => {
      const text = readFileSync(posix.join(repository, path), "utf8");
      return { path, text, lines: text.split("\n") };
    });
}

/** Our own TypeScript below `src`, without what a program wrote. */
export function productFiles(): SourceFile[] {
  return filesBelow("src").filter(({ path }) => path.endsWith(".ts") && !path.includes("/generated/"));
}

/** Files that only tests use: beside the source, or named for what they stand in for. */
export function isTestFile(path: string): boolean {
  return (
    path.endsWith(".test.ts") || /(^|[/-])(contract|fake)[-.]/.test(path) || path.endsWith("-contract.ts")
  );
}

/** Static, dynamic and re-exporting imports of a file. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const pattern = /(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+)"([^"]+)"/g;
  for (const [index, line] of file.lines.entries()) {
    for (const match of line.matchAll(pattern)) found.push({ from: match[1] ?? "", line: index + 1 });
  }
  return found;
}

/** The path an import of ours leads to, relative to the checkout; undefined for packages and Node's modules. */
export function targetOf(file: SourceFile, specifier: string): string | undefined {
  return specifier.startsWith(".") ? posix.join(posix.dirname(file.path), specifier) : undefined;
}

/** The lines of a file with comments and the insides of plain strings blanked, so that words in prose do not count. */
export function codeLines(file: SourceFile): string[] {
  const blanked = file.text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "))
    .replace(/(^|[^:"'`\\])\/\/[^\n]*/g, "$1")
    .replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
  return blanked.split("\n");
}
