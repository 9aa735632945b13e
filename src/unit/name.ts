import { goQuoted, goQuotedCharacter } from "../lib/go-quote.ts";
import { utf8Length } from "../lib/text.ts";

/** The parts of a unit's name (fleet v1.0.0). */
export interface NameParts {
  /** What stands before the last dot. */
  readonly stem: string;
  /** What stands behind the last dot, without it. */
  readonly suffix: string;
  /** The stem up to its first `@`, or the whole stem. */
  readonly prefix: string;
  /** The template's name, for a template and its instances. */
  readonly template?: string;
  /** What stands between the first `@` and the suffix; absent for templates and plain units. */
  readonly instance?: string;
  readonly isTemplate: boolean;
}

/** Limit of a unit's name in bytes (systemd's UNIT_NAME_MAX, which fleet v1.0.0 has too). */
export const nameLimitBytes = 256;

/**
 * The unit types that can be read from a file, so that an agent can run them. fleet v1.0.0 also took `scope`,
 * `snapshot` and `busname`, which no machine can load, and took `target`, `slice` and `swap` without ever recognising
 * their files again.
 */
export const recognisedSuffixes: readonly string[] = [
  "service",
  "socket",
  "target",
  "timer",
  "path",
  "mount",
  "automount",
  "swap",
  "slice",
  "device",
];

const templateSuffixes: readonly string[] = ["path", "service", "socket", "target", "timer"];

/** Why this cannot be a unit's name, in the words of fleet v1.0.0; undefined for a good name. */
export function problemWithName(name: string): string | undefined {
  if (name === "") return "unit name cannot be empty";
  if (utf8Length(name) > nameLimitBytes) return `unit name exceeds maximum length (${nameLimitBytes})`;
  const dot = name.lastIndexOf(".");
  if (dot < 0) return 'unit name must contain "."';
  if (dot === name.length - 1) return 'unit name cannot end in "."';
  const suffix = name.slice(dot + 1);
  if (!recognisedSuffixes.includes(suffix)) return `invalid unit type: ${goQuoted(suffix)}`;
  if (name.includes("@") && !templateSuffixes.includes(suffix)) {
    return `invalid unit type for template: ${goQuoted(suffix)}`;
  }
  for (const character of name.slice(0, dot)) {
    if (!/^[0-9a-zA-Z:\-_.\\@]$/.test(character)) {
      return `invalid character ${goQuotedCharacter(character)} in unit name`;
    }
  }
  // systemd loads nothing of that name either.
  if (dot === 0) return "unit name cannot be empty";
  if (name.startsWith("@")) return 'unit name cannot start in "@"';
  return undefined;
}

/** Takes a name apart; undefined when it has no dot. */
export function splitName(name: string): NameParts | undefined {
  const dot = name.lastIndexOf(".");
  if (dot < 0) return undefined;
  const stem = name.slice(0, dot);
  const suffix = name.slice(dot + 1);
  const at = stem.indexOf("@");
  if (at < 0) return { stem, suffix, prefix: stem, isTemplate: false };
  const prefix = stem.slice(0, at);
  const instance = stem.slice(at + 1);
  const template = `${prefix}@.${suffix}`;
  if (instance === "") return { stem, suffix, prefix, template, isTemplate: true };
  return { stem, suffix, prefix, template, instance, isTemplate: false };
}

/**
 * The unit that an argument of a command line means: its last path element, with `.service` when it names no unit type
 * (fleetctl v1.0.0).
 */
export function withServiceSuffix(argument: string): string {
  const base = argument.replace(/\/+$/, "").split("/").at(-1) ?? "";
  const suffix = base.includes(".") ? base.slice(base.lastIndexOf(".") + 1) : "";
  return recognisedSuffixes.includes(suffix) ? base : `${base}.service`;
}
