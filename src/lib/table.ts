/** A tab stop of a terminal. */
const tabWidth = 8;

/**
 * Lines of a table whose columns are filled up with tabs, as Go's text/tabwriter does it for fleetctl: a column is as
 * wide as its longest cell plus one, rounded up to a tab stop. The last cell of a line is not filled up.
 */
export function tabbedTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columnWidths(rows).map((width) => Math.ceil((width + 1) / tabWidth) * tabWidth);
  return joinCells(rows, (cell, column) => {
    const missing = (widths[column] ?? 0) - lengthOf(cell);
    return cell + "\t".repeat(Math.ceil(missing / tabWidth));
  });
}

/** Lines of a table whose columns are filled up with blanks, two between columns; for tables of our own. */
export function spacedTable(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columnWidths(rows);
  return joinCells(rows, (cell, column) => cell + " ".repeat((widths[column] ?? 0) - lengthOf(cell) + 2));
}

/** A line with tabs as it fits into so many columns of a terminal: what is too long ends with `…`. */
export function fitted(line: string, columns: number): string {
  let at = 0;
  let kept = "";
  for (const character of line) {
    const width = character === "\t" ? tabWidth - (at % tabWidth) : 1;
    // The last column is kept free for the mark until it is known that the line ends there.
    if (at + width > columns) return `${Array.from(kept).slice(0, -1).join("").trimEnd()}…`;
    kept += character;
    at += width;
  }
  return line;
}

function columnWidths(rows: readonly (readonly string[])[]): readonly number[] {
  const widths: number[] = [];
  for (const row of rows) {
    // Counted by hand: an iterator for each row takes a command that ends at once longer than the rest of its table.
    for (let column = 0; column < row.length; column++) {
      const length = lengthOf(row[column] ?? "");
      if (length > (widths[column] ?? -1)) widths[column] = length;
    }
  }
  return widths;
}

function joinCells(
  rows: readonly (readonly string[])[],
  fill: (cell: string, column: number) => string,
): readonly string[] {
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : fill(cell, column))).join(""),
  );
}

/** The first of two units of a character beyond the first 65,536. */
const firstHalves = /[\ud800-\udbff]/;

/** Characters as a terminal counts them, near enough: code points. */
function lengthOf(cell: string): number {
  return cell.length - (firstHalves.test(cell) ? cell.split(firstHalves).length - 1 : 0);
}
