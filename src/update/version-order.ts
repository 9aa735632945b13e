/**
 * Orders two versions as systemd does (UAPI group, version format specification): numbers count as numbers, `~` sorts before
 * everything, even the end, so that `2~rc1` comes before `2`; `-`, `^` and `.` sort in this order before other characters.
 * Negative when the first is older, 0 when they mean the same.
 */
export function compareVersions(left: string, right: string): number {
  let a = left;
  let b = right;
  for (;;) {
    a = a.replace(/^[^A-Za-z0-9~^.-]+/, "");
    b = b.replace(/^[^A-Za-z0-9~^.-]+/, "");
    if (a.startsWith("~") || b.startsWith("~")) {
      if (a.startsWith("~") !== b.startsWith("~")) return a.startsWith("~") ? -1 : 1;
      [a, b] = [a.slice(1), b.slice(1)];
      continue;
    }
    if (a === "" || b === "") return Math.sign(a.length - b.length);
    const separator = ["-", "^", "."].find((mark) => a.startsWith(mark) || b.startsWith(mark));
    if (separator !== undefined) {
      if (a.startsWith(separator) !== b.startsWith(separator)) return a.startsWith(separator) ? -1 : 1;
      [a, b] = [a.slice(1), b.slice(1)];
      continue;
    }
    const pattern = /^[0-9]/.test(a) || /^[0-9]/.test(b) ? /^[0-9]*/ : /^[A-Za-z]*/;
    const partA = pattern.exec(a)?.[0] ?? "";
    const partB = pattern.exec(b)?.[0] ?? "";
    const order = compareParts(partA, partB);
    if (order !== 0) return order;
    [a, b] = [a.slice(partA.length), b.slice(partB.length)];
  }
}

function compareParts(left: string, right: string): number {
  if (!/^[0-9]/.test(left) && !/^[0-9]/.test(right)) return left < right ? -1 : left > right ? 1 : 0;
  // A number beats what is none.
  if (left === "" || right === "") return Math.sign(left.length - right.length);
  const [a, b] = [left.replace(/^0+/, ""), right.replace(/^0+/, "")];
  if (a.length !== b.length) return Math.sign(a.length - b.length);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a text can be the version of a release: digits first, and nothing that would be special in a path or a pattern. */
export function isVersion(text: string): boolean {
  return /^[0-9][A-Za-z0-9.~^+-]{0,63}$/.test(text);
}

/** The newest of some versions; undefined of none. */
export function newestOf(versions: readonly string[]): string | undefined {
  return versions.toSorted(compareVersions).at(-1);
}
