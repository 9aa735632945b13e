/** The directory above a path; the root is above the top-level nodes. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** The paths above a path from the top, without the root: `/a/b/c` gives `/a` and `/a/b`. */
export function ancestorsOf(path: string): readonly string[] {
  const ancestors: string[] = [];
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
    ancestors.push(path.slice(0, slash));
  }
  return ancestors;
}

/** A path with a slash at its end, which every path below it begins with. */
export function prefixBelow(path: string): string {
  return path === "/" ? "/" : `${path}/`;
}

/** A node is hidden from listings above it when its own name begins with `_`. */
export function isHidden(path: string): boolean {
  return path.startsWith("_", path.lastIndexOf("/") + 1);
}

/** Whether a node at or above `path`, but below `above`, is hidden. */
export function isHiddenBelow(above: string, path: string): boolean {
  const below = prefixBelow(above);
  return path.startsWith(below) && path.slice(below.length - 1).includes("/_");
}

/**
 * The shortest path that means the same, as Go's path.Clean with one slash at the end kept: no `//`, `.` or `..`.
 * etcd sends clients there with 301.
 */
export function cleanPath(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  const cleaned = `/${names.join("/")}`;
  return path.endsWith("/") && cleaned !== "/" ? `${cleaned}/` : cleaned;
}
