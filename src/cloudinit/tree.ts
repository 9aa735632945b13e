import { plainValue, type ScalarValue, taggedValue } from "./scalar.ts";
import { type Place, type YamlProblem, YamlRefusal } from "./yaml-cursor.ts";
import { parseYaml, type YamlDocument, type YamlNode, type YamlScalar } from "./yaml-nodes.ts";

/** A document as YAML's old dialect reads it: merges done, aliases followed, nothing judged. */
export type Tree = TreeScalar | TreeList | TreeMap;

export interface TreeScalar extends Place {
  readonly kind: "scalar";
  readonly value: ScalarValue;
  /** The letters as they stand in the document, quotes and escapes undone. */
  readonly text: string;
  /** True when `text` is bytes, one letter each (`!!binary`). */
  readonly binary: boolean;
}

export interface TreeList extends Place {
  readonly kind: "list";
  readonly items: readonly Tree[];
}

export interface TreeMap extends Place {
  readonly kind: "map";
  /** Of several entries with one key the last. */
  readonly entries: readonly TreeEntry[];
  /** All entries in the order in which they count, merged ones where they are merged. */
  readonly given: readonly TreeEntry[];
}

export interface TreeEntry {
  readonly key: TreeScalar;
  readonly value: Tree;
}

export type ReadYaml = { readonly root: Tree | undefined } | { readonly problem: YamlProblem };

/** Nodes a document may have once its aliases are followed: a few lines of aliases can stand for billions. */
export const maxNodes = 200_000;

/** Reads the first document of a text. */
export function readYaml(text: string): ReadYaml {
  const control = controlCharacter.exec(text);
  if (control !== null) {
    const before = text.slice(0, control.index).split("\n");
    const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    return { problem: { ...place, text: "control characters are not allowed" } };
  }
  try {
    const document = parseYaml(text);
    return { root: document.root === undefined ? undefined : new Reader(document).read(document.root) };
  } catch (error) {
    if (error instanceof YamlRefusal) return { problem: error.problem };
    throw error;
  }
}

// What libyaml's reader refuses: it takes tabs, line ends, and everything that can be printed.
const controlCharacter = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ud800-\udfff\ue000-\ufffd]/;

/** What is no fault of the letters but of what they mean: the original names no line for it. */
function meaningless({ line, column }: Place, text: string): YamlRefusal {
  return new YamlRefusal({ line, column, text });
}

class Reader {
  readonly #anchors: YamlDocument["anchors"];
  readonly #followed = new Set<string>();
  #nodes = 0;

  constructor({ anchors }: YamlDocument) {
    this.#anchors = anchors;
  }

  read(node: YamlNode): Tree {
    const place = { line: node.line, column: node.column };
    this.#nodes++;
    if (this.#nodes > maxNodes)
      throw meaningless(place, `the document has more than ${maxNodes} values once its aliases are followed`);
    switch (node.kind) {
      case "alias":
        return this.#follow(node.name, place);
      case "scalar":
        return scalarOf(node);
      case "list":
        return { kind: "list", items: node.items.map((item) => this.read(item)), ...place };
      case "map": {
        const given: TreeEntry[] = [];
        for (const [key, value] of node.pairs) this.#put(given, key, value);
        return { kind: "map", entries: lastOfEach(given), given, ...place };
      }
    }
  }

  #follow(name: string, place: Place): Tree {
    const target = this.#anchors.get(name);
    if (target === undefined) throw meaningless(place, `Unknown anchor '${name}' referenced`);
    if (this.#followed.has(name)) throw meaningless(place, `Anchor '${name}' value contains itself`);
    this.#followed.add(name);
    const tree = this.read(target);
    this.#followed.delete(name);
    return tree;
  }

  #put(given: TreeEntry[], keyNode: YamlNode, valueNode: YamlNode): void {
    if (isMerge(keyNode)) {
      this.#merge(given, valueNode);
      return;
    }
    const key = this.read(keyNode);
    if (key.kind !== "scalar") throw meaningless(key, `invalid map key: ${asGo(key)}`);
    given.push({ key, value: this.read(valueNode) });
  }

  /** Puts in what another map holds. Of several maps the first counts most, and so it comes last. */
  #merge(given: TreeEntry[], from: YamlNode): void {
    for (const node of from.kind === "list" ? from.items.toReversed() : [from]) {
      const named = node.kind === "alias" ? this.#anchors.get(node.name) : node;
      if (named !== undefined && named.kind !== "map")
        throw meaningless(node, "map merge requires map or sequence of maps as the value");
      const map = this.read(node);
      if (map.kind === "map") given.push(...map.given);
    }
  }
}

function isMerge(node: YamlNode): boolean {
  return (
    node.kind === "scalar" &&
    node.text === "<<" &&
    ((node.isPlain && node.tag === "") || node.tag === "tag:yaml.org,2002:merge")
  );
}

function scalarOf(node: YamlScalar): TreeScalar {
  const { text, isPlain, tag, line, column } = node;
  const guessed: ScalarValue = isPlain ? plainValue(text) : { type: "string", value: text };
  const value = tag === "" ? guessed : taggedValue(tag, text);
  if (value === undefined) {
    const short = tag.replace(/^tag:yaml\.org,2002:/, "!!");
    const problem =
      short === "!!binary"
        ? "!!binary value contains invalid base64 data"
        : `cannot decode ${tagOf(plainValue(text))} \`${text}\` as a ${short}`;
    throw meaningless(node, problem);
  }
  const binary = tag === "tag:yaml.org,2002:binary";
  const letters = binary && value.type === "string" ? value.value : text;
  return { kind: "scalar", value, text: letters, binary, line, column };
}

/** Of several entries with one key the last, where the first stood. */
function lastOfEach(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const byKey = new Map<string, TreeEntry>();
  for (const entry of entries) byKey.set(`${entry.key.value.type} ${entry.key.text}`, entry);
  return [...byKey.values()];
}

function tagOf(value: ScalarValue): string {
  return { string: "!!str", bool: "!!bool", int: "!!int", float64: "!!float", null: "!!null" }[value.type];
}

/** A value as Go's `%#v` shows it, for the message about keys that are no text. */
function asGo(tree: Tree): string {
  if (tree.kind === "list") return `[]interface {}{${tree.items.map(asGo).join(", ")}}`;
  if (tree.kind === "map") {
    const inside = tree.entries.map(({ key, value }) => `${asGo(key)}:${asGo(value)}`);
    return `map[interface {}]interface {}{${inside.join(", ")}}`;
  }
  const { value } = tree;
  if (value.type === "null") return "interface {}(nil)";
  return value.type === "string" ? JSON.stringify(value.value) : String(value.value);
}

/** The bytes of a scalar's text. */
export function bytesOf(text: string, binary: boolean): Uint8Array {
  return binary ? Uint8Array.from(text, (letter) => letter.charCodeAt(0)) : new TextEncoder().encode(text);
}
