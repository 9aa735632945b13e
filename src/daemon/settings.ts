import { Fault } from "../lib/fault.ts";

/** One setting of a daemon: a row of its table. */
export interface Setting<Value> {
  /** The key in the settings file, in lower case; absent when only the environment can set it. */
  readonly key?: string;
  /** The environment variable, which beats the file. */
  readonly environment: string;
  /** The value when neither says anything, written as a user would write it. */
  readonly default: string;
  /** What the text means; throws a RangeError with the words after "must be". */
  readonly parse: (text: string) => Value;
}

/** A daemon's settings, by the names its code uses. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table. */
export type Settings<Table extends SettingTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never;
};

/** A settings file that was read: its text, and its path for messages. */
export interface SettingsFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The values of a table from the environment, then the file, then the defaults. A variable or a key that is set to nothing
 * counts as not set. `problems` has one sentence for each line that was passed over.
 * Throws Fault `wrong-setting` with one sentence that names the value, its place and what it must be.
 */
export function readSettings<Table extends SettingTable>(
  table: Table,
  environment: Readonly<Record<string, string | undefined>>,
  file?: SettingsFile,
): { readonly settings: Settings<Table>; readonly problems: readonly string[] } {
  const { values, problems } = file ? parseSettingsFile(file) : { values: new Map(), problems: [] };
  const known = new Set(Object.values(table).map((setting) => setting.key));
  const unknown = [...values]
    .filter(([key]) => !known.has(key))
    .map(([key, { line }]) => `${file?.path}:${line}: there is no setting ${key}`);

  const settings: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const variable = environment[setting.environment];
    const entry = setting.key === undefined ? undefined : values.get(setting.key);
    if (variable) settings[name] = parsed(setting, variable, `environment variable ${setting.environment}`);
    else if (entry?.value)
      settings[name] = parsed(setting, entry.value, `${file?.path}:${entry.line}: ${setting.key}`);
    else settings[name] = parsed(setting, setting.default, `default of ${name}`);
  }
  return { settings: settings as Settings<Table>, problems: [...problems, ...unknown] };
}

function parsed<Value>(setting: Setting<Value>, text: string, place: string): Value {
  try {
    return setting.parse(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Fault("wrong-setting", `${place} is "${text}", but must be ${error.message}`, { cause: error });
  }
}

interface FileValue {
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * The file form of fleet v1.0.0 (fleet.conf): `key = value` lines without sections, keys in any case. A value is
 * `"..."`, `'...'` or bare, and bare ones end at `#` or `;`. A `\` at the end, but for blanks, continues the line. The last of a
 * repeated key counts. Lines that are none of this are passed over with a problem each.
 */
export function parseSettingsFile(file: SettingsFile): {
  readonly values: ReadonlyMap<string, FileValue>;
  readonly problems: readonly string[];
} {
  const values = new Map<string, FileValue>();
  const problems: string[] = [];
  for (const { text, line } of logicalLines(file.text)) {
    if (text === "" || /^[#;]/.test(text)) continue;
    const [, key, rest] = /^([^=\s]+)\s*=\s*(.*)$/s.exec(text) ?? [];
    const value = rest === undefined ? undefined : unquoted(rest);
    if (key === undefined || value === undefined) {
      problems.push(`${file.path}:${line}: "${text}" is not a line of the form key="value"`);
    } else {
      values.set(key.toLowerCase(), { value, line });
    }
  }
  return { values, problems };
}

function logicalLines(text: string): { text: string; line: number }[] {
  const lines: { text: string; line: number }[] = [];
  let begun: { text: string; line: number } | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const trimmed = raw.trim();
    const continues = trimmed.endsWith("\\");
    // Blanks before the backslash stay, those in front of the next line go.
    const piece = continues ? trimmed.slice(0, -1) : trimmed;
    if (begun) begun.text += piece;
    else begun = { text: piece, line: index + 1 };
    if (continues) continue;
    lines.push(begun);
    begun = undefined;
  }
  return begun ? [...lines, begun] : lines;
}

/** The value in the quotes or before the comment; undefined for an open quote or text behind a closed one. */
function unquoted(rest: string): string | undefined {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return rest.replace(/[#;].*$/s, "").trim();
  const end = rest.indexOf(quote, 1);
  const behind = rest.slice(end + 1).trim();
  return end < 0 || !/^([#;].*)?$/s.test(behind) ? undefined : rest.slice(1, end);
}
