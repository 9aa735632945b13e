import { goFloat } from "./go-text.ts";
import type { LineFinder } from "./lines.ts";
import { isText, type Typed, TypedStruct } from "./read-config.ts";
import type { Tree, TreeScalar } from "./tree.ts";

/** The kinds of values that the validator tells apart; `nothing` is null or absent. */
export type NodeKind = "nothing" | "string" | "bool" | "int" | "float64" | "list" | "map";

/** A value of the document with the line the original would name. */
export interface ValidationNode {
  /** With underscores; elements of lists are `name[0]`. */
  readonly name: string;
  /** 0 when the key cannot be found in the text. */
  readonly line: number;
  readonly kind: NodeKind;
  readonly text: string;
  readonly binary: boolean;
  readonly children: readonly ValidationNode[];
}

const absent: ValidationNode = { name: "", line: 0, kind: "nothing", text: "", binary: false, children: [] };

/** The document as a tree of nodes. What is no map is an empty one: the original finds nothing wrong with it. */
export function documentNode(tree: Tree | undefined, lines: LineFinder): ValidationNode {
  const root = tree?.kind === "map" ? tree : undefined;
  return { ...absent, kind: "map", children: root === undefined ? [] : mapChildren(root, lines, 1) };
}

function nodeOf(tree: Tree, name: string, line: number, lines: LineFinder): ValidationNode {
  const normal = name.replaceAll("-", "_");
  if (tree.kind === "list") {
    return { ...absent, name: normal, line, kind: "list", children: listChildren(tree, name, line, lines) };
  }
  if (tree.kind === "map") {
    return { ...absent, name: normal, line, kind: "map", children: mapChildren(tree, lines, line) };
  }
  const { value, binary, text } = tree;
  const kind = value.type === "null" ? "nothing" : value.type;
  return { name: normal, line, kind, text: shown(tree, text), binary, children: [] };
}

function mapChildren(
  tree: Tree & { readonly kind: "map" },
  lines: LineFinder,
  from: number,
): ValidationNode[] {
  return tree.entries.map(({ key, value }) => {
    const name = keyName(key);
    return nodeOf(value, name, lines.key(name, from), lines);
  });
}

function listChildren(
  tree: Tree & { readonly kind: "list" },
  name: string,
  from: number,
  lines: LineFinder,
): ValidationNode[] {
  let next = from;
  return tree.items.map((item, index) => {
    const line = lines.element(next);
    next = line === 0 ? 0 : line + 1;
    return nodeOf(item, `${name}[${index}]`, line, lines);
  });
}

/** A key that is no text shows how Go's `%s` complains about its type. */
function keyName(key: TreeScalar): string {
  const { value } = key;
  if (value.type === "string") return value.value;
  if (value.type === "null") return "%!s(<nil>)";
  return `%!s(${value.type}=${shown(key, key.text)})`;
}

/** A scalar as Go's `%v` shows it. */
function shown({ value }: TreeScalar, text: string): string {
  switch (value.type) {
    case "string":
      return text;
    case "float64":
      return goFloat(value.value, 21);
    case "null":
      return "";
    default:
      return String(value.value);
  }
}

/** The child of this name, or a node that stands for none. */
export function childOf(node: ValidationNode, name: string): ValidationNode {
  return node.children.find((child) => child.name === name) ?? absent;
}

/** A node's text; what is no text shows as Go's reflection shows it. */
export function textOf(node: ValidationNode): string {
  switch (node.kind) {
    case "string":
      return node.text;
    case "nothing":
      return "<invalid Value>";
    case "list":
      return "<[]interface {} Value>";
    case "map":
      return "<map[interface {}]interface {} Value>";
    default:
      return `<${node.kind} Value>`;
  }
}

/**
 * Gives each leaf of the guessed document the value it has in the typed one, where the types allow it: so is octal 0644
 * seen as the text `0644`. Elements that the typed document dropped move the others; that is the original's.
 */
export function withTypedValues(node: ValidationNode, typed: Typed | undefined): ValidationNode {
  if (node.children.length === 0 && typed !== undefined && node.kind !== "nothing") {
    if (isText(typed)) {
      return isTextual(node.kind)
        ? { ...node, kind: "string", text: typed.text, binary: typed.binary }
        : node;
    }
    if (typeof typed === "number" && node.kind === "int") return { ...node, text: goFloat(typed, 21) };
    return node;
  }
  const children = node.children.map((child) => withTypedValues(child, typedChild(typed, child.name)));
  return { ...node, children };
}

function typedChild(typed: Typed | undefined, name: string): Typed | undefined {
  if (typed instanceof TypedStruct) return typed.get(name);
  if (!Array.isArray(typed)) return undefined;
  const index = /\[(\d+)\]$/.exec(name)?.[1];
  return index === undefined ? undefined : (typed as readonly Typed[])[Number(index)];
}

function isTextual(kind: NodeKind): boolean {
  return kind === "string" || kind === "int" || kind === "float64" || kind === "bool";
}
