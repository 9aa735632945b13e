/** A path with `.`, `..` and doubled slashes taken out, as Go's path.Clean: an absolute one never leads above the root. */
export function cleanPath(path: string): string {
  const absolute = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!absolute) parts.push(part);
  }
  return (absolute ? "/" : "") + parts.join("/") || ".";
}

/** A path of the machine below its root: relative paths begin there, and none leads out. */
export function absolutePath(path: string): string {
  return cleanPath(`/${path}`);
}

/** The folder a path lies in. */
export function folderOf(path: string): string {
  return cleanPath(path.replace(/[^/]*$/, ""));
}
