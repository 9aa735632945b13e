/** One line of /proc/self/mountinfo, as far as the lab needs it. */
export interface Mount {
  readonly path: string;
  readonly fileSystem: string;
  /** For an overlay: its layers, topmost first. */
  readonly lower: readonly string[];
}

/** Reads /proc/self/mountinfo (proc(5)): fields, a dash, then type, source and options of the file system. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const path = before.split(" ")[4];
    const [fileSystem = "", , options = ""] = after.split(" ");
    if (path === undefined) return [];
    const lower = options.split(",").find((option) => option.startsWith("lowerdir="));
    return [{ path: unescaped(path), fileSystem, lower: lower?.slice("lowerdir=".length).split(":") ?? [] }];
  });
}

/** The mounts at and below `folder` in the order in which they can be unmounted. */
export function mountsBelow(mounts: readonly Mount[], folder: string): readonly string[] {
  return mounts
    .map((mount) => mount.path)
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}

/** The kind of file system that a path lies on, whether there is something at the path yet or not. */
export function fileSystemAt(mounts: readonly Mount[], path: string): string | undefined {
  const above = mounts.filter(
    (mount) => mount.path === "/" || path === mount.path || path.startsWith(`${mount.path}/`),
  );
  // Of two mounts at one path the later one is seen.
  return above.toSorted((one, other) => one.path.length - other.path.length).at(-1)?.fileSystem;
}

/** The kernel writes a space, tab, line feed and backslash as a backslash and three octal digits. */
function unescaped(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
