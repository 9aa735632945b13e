import type { Call, Flag } from "../cli/command.ts";
import { exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { fitted, tabbedTable } from "../lib/table.ts";

/** The columns a listing can show: how each is made of a row; an empty cell is shown as `-`. */
export type Columns<Row> = Readonly<Record<string, (row: Row, full: boolean) => string>>;

/** The flags of a listing (fleetctl v1.0.0), and --json. */
export function listFlags(fields: string, columns: readonly string[]): readonly Flag[] {
  return [
    {
      name: "fields",
      kind: "text",
      placeholder: "LIST",
      summary: `columns out of ${columns.join(",")}`,
      otherwise: fields,
      choices: { words: columns, commas: true },
    },
    { name: "full", short: "l", kind: "switch", summary: "do not shorten IDs and hashes" },
    { name: "no-legend", kind: "switch", summary: "do not print the line with the names of the columns" },
    jsonFlag,
  ];
}

/** What a listing shows. */
export interface Listing<Row> {
  readonly rows: readonly Row[];
  /** For --json. */
  readonly raw: unknown;
  /** Columns that are shown as well when --fields does not choose others. */
  readonly more?: readonly string[];
}

/** Prints rows in the columns that --fields names, or `raw` as JSON; returns the exit code. */
export async function printRows<Row>(
  call: Call,
  columns: Columns<Row>,
  read: () => Promise<Listing<Row>>,
): Promise<number> {
  const fields = call.flags.text("fields") ?? "";
  if (fields === "") return fail(call, "Must define output format");
  const names = fields.split(",");
  const unknown = names.find((name) => !Object.hasOwn(columns, name));
  if (unknown !== undefined) return fail(call, `Invalid key in output format: "${unknown}"`);
  const { rows, raw, more = [] } = await read();
  if (call.flags.on("json")) {
    printJson(call, raw);
    return exitCodes.done;
  }
  const full = call.flags.on("full");
  const shown = call.flags.given("fields") ? names : [...names, ...more];
  const header = call.flags.on("no-legend") ? [] : [shown.map((name) => name.toUpperCase())];
  const cells = rows.map((row) => shown.map((name) => shownCell(columns[name]?.(row, full) ?? "")));
  const lines = tabbedTable([...header, ...cells]);
  const { columns: width } = call.stdout;
  const fitting = width === undefined || full ? lines : lines.map((line) => fitted(line, width));
  call.stdout.write([...fitting, ""].join("\n"));
  return exitCodes.done;
}

/** A cell is one line, whatever a description holds: it may go on over several, and could move a terminal's cursor. */
function shownCell(cell: string): string {
  if (cell === "") return "-";
  return /\p{Cc}/u.test(cell) ? cell.replaceAll(/\s*\\?\n\s*/g, " ").replaceAll(/\p{Cc}/gu, "\ufffd") : cell;
}

/** Says why on standard error and gives the exit code of a failure. */
export function fail(call: Call, sentence: string): number {
  call.stderr.write(`${sentence}\n`);
  return exitCodes.failed;
}

/** A hash as tables show it: its first 7 digits, or all. */
export function shownHash(hash: string, full: boolean): string {
  return full ? hash : hash.slice(0, 7);
}
