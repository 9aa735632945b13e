import type { Call, Flag } from "../cli/command.ts";
import { mistaken } from "./outcome.ts";

/** The user or role that a call names, which is its only argument. */
export function nameOf(call: Call, kind: "user" | "role"): string {
  const [name] = call.arguments;
  if (name === undefined || call.arguments.length > 1) {
    throw mistaken(`Please provide a ${kind === "user" ? "username" : "role name"}`);
  }
  return name;
}

export const rolesFlag: Flag = {
  name: "roles",
  kind: "text",
  placeholder: "ROLE,...",
  summary: "names of roles",
  repeated: true,
};

/** The roles of `--roles`, which may be given several times and hold lists. */
export function rolesOf(call: Call): readonly string[] {
  const roles = call.flags.all("roles").flatMap((list) => list.split(","));
  if (roles.length === 0) throw mistaken("No roles specified; please use `--roles`");
  return roles;
}

export const permissionFlags: readonly Flag[] = [
  {
    name: "path",
    kind: "text",
    placeholder: "PATTERN",
    summary: "a key, or with * at its end all keys that begin so",
    otherwise: "",
  },
  { name: "read", kind: "switch", summary: "for reading" },
  { name: "write", kind: "switch", summary: "for writing" },
  { name: "readwrite", kind: "switch", summary: "for both" },
];

/** The pattern of `--path` and what it is for. */
export function permissionsOf(call: Call): {
  readonly read: readonly string[] | null;
  readonly write: readonly string[] | null;
} {
  const path = call.flags.text("path") ?? "";
  if (path === "") throw mistaken("No path specified; please use `--path`");
  const canonical = canonicalPath(path);
  if (canonical !== path) throw mistaken(`Not canonical path; please use \`--path=${canonical}\``);
  const kinds = ["read", "write", "readwrite"].filter((name) => call.flags.on(name));
  if (kinds.length !== 1) throw mistaken("Please specify exactly one of --read, --write or --readwrite");
  const [kind] = kinds;
  return { read: kind === "write" ? null : [path], write: kind === "read" ? null : [path] };
}

/** A path from the root, without empty elements and dots; a slash at its end stays. */
function canonicalPath(path: string): string {
  const elements: string[] = [];
  for (const element of path.split("/")) {
    if (element === "..") elements.pop();
    else if (element !== "" && element !== ".") elements.push(element);
  }
  const end = path.endsWith("/") && elements.length > 0 ? "/" : "";
  return `/${elements.join("/")}${end}`;
}
