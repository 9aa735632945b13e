import { Fault } from "../lib/fault.ts";

/** A key of an old snapshot. */
export interface OldKey {
  readonly key: string;
  readonly value: string;
  /** When it was to expire, in ms since 1970; undefined: never. */
  readonly deadlineMs: number | undefined;
}

/** A node as etcd 0.4 and 2 wrote their stores: a directory when it has `Children`. */
interface OldNode {
  readonly Path: string;
  readonly Value?: string;
  readonly ExpireTime?: string;
  readonly Children?: Readonly<Record<string, OldNode>> | null;
}

/** An instant that Go never set. */
const noInstant = "0001-01-01T00:00:00Z";

/**
 * Reads a snapshot of etcd 0.4: its store as JSON, alone, or as `state` in base64, with a line before it that holds a
 * checksum. Throws Fault `bad-snapshot`.
 */
export function readOldSnapshot(text: string): OldNode {
  const content = parse(text.replace(/^[0-9a-f]{8}\n/, ""));
  const store = "state" in content ? parse(decode(content.state)) : content;
  if (!("Root" in store) || !isNode(store.Root)) throw bad("there is no Root in it");
  return store.Root;
}

/**
 * The keys at and below a path, in the order of their names. Hidden ones, whose names begin with `_`, are left out below
 * it; undefined when nothing is there.
 */
export function oldKeys(root: OldNode, path: string): readonly OldKey[] | undefined {
  const names = path.split("/").filter((name) => name !== "");
  const found = names.reduce<OldNode | undefined>((node, name) => node?.Children?.[name], root);
  return found === undefined ? undefined : keysIn(found, `/${names.join("/")}`);
}

function keysIn(node: OldNode, path: string): readonly OldKey[] {
  const { Children: children } = node;
  if (children === undefined || children === null) {
    return [{ key: path, value: node.Value ?? "", deadlineMs: deadlineOf(node) }];
  }
  return Object.entries(children)
    .filter(([name]) => !name.startsWith("_"))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, child]) => keysIn(child, `${path === "/" ? "" : path}/${name}`));
}

function deadlineOf({ ExpireTime: instant = noInstant }: OldNode): number | undefined {
  if (instant === noInstant) return undefined;
  const ms = Date.parse(instant);
  return Number.isNaN(ms) ? undefined : ms;
}

function parse(text: string): object {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null) return content;
  } catch {
    // Told below.
  }
  throw bad("it is no JSON text");
}

function decode(state: unknown): string {
  try {
    const bytes = Uint8Array.from(atob(String(state)), (character) => character.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  } catch {
    throw bad("its state is not in base64");
  }
}

/** Every node below has the form too. */
function isNode(value: unknown): value is OldNode {
  if (typeof value !== "object" || value === null) return false;
  const { Value: content = "", Children: children = null } = value as Record<string, unknown>;
  if (typeof content !== "string" || typeof children !== "object") return false;
  return children === null || Object.values(children).every(isNode);
}

function bad(why: string): Fault {
  return new Fault("bad-snapshot", `cannot recover the snapshot file: ${why}`);
}
