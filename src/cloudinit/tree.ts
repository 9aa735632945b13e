import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  Scalar,
} from "yaml";
import { plainValue, type ScalarValue, taggedValue } from "./scalar.ts";
import { nameProblem, type Place, type YamlProblem } from "./yaml-problem.ts";

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
  readonly entries: readonly TreeEntry[];
}

export interface TreeEntry {
  readonly key: TreeScalar;
  readonly value: Tree;
}

export type ReadYaml = { readonly root: Tree | undefined } | { readonly problem: YamlProblem };

/** Nodes a document may have once its aliases are followed: a few lines of aliases can stand for billions. */
export const maxNodes = 200_000;

/** How deep lists and maps may lie in each other: readers call themselves once for each level. */
export const maxDepth = 500;

/** Reads the first document of a text. */
export function readYaml(text: string): ReadYaml {
  const control = controlCharacter.exec(text);
  if (control !== null) {
    const before = text.slice(0, control.index).split("\n");
    const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    return { problem: { ...place, text: "control characters are not allowed" } };
  }
  if (isTooDeep(text))
    return { problem: { ...start, text: `lists and maps lie more than ${maxDepth} levels deep` } };
  const lines = new LineCounter();
  let document: Document | undefined;
  try {
    document = firstDocument(text, lines);
  } catch {
    // The library calls itself for each level; with thousands of them in one line it finds no more room.
    return { problem: { ...start, text: "the document is nested too deeply to be read" } };
  }
  if (document === undefined) return { root: undefined };
  const problem = nameProblem(document.errors, document.warnings, text, lines);
  if (problem !== undefined) return { problem };
  try {
    return { root: document.contents === null ? undefined : new Reader(lines).read(document.contents) };
  } catch (error) {
    if (error instanceof Refusal) return { problem: error.problem };
    throw error;
  }
}

const start: Place = { line: 1, column: 1 };

// What libyaml's reader refuses: it takes tabs, line ends, and everything that can be printed.
const controlCharacter = /[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ud800-\udfff\ue000-\ufefe\uff00-\ufffd]/;

/** Whether brackets, braces or indentation open more levels than are read. A text in quotes may be taken for more than it is. */
function isTooDeep(text: string): boolean {
  let open = 0;
  for (const [letter] of text.matchAll(/[[\]{}\n]/g)) {
    if (letter === "\n") open = 0;
    else if (letter === "[" || letter === "{") open++;
    else open--;
    if (open > maxDepth) return true;
  }
  return /^(?:[-?] ?){500}/m.test(text);
}

function firstDocument(text: string, lines: LineCounter): Document | undefined {
  const composer = new Composer({
    schema: "failsafe",
    version: "1.1",
    uniqueKeys: false,
    logLevel: "silent",
  });
  const parser = new Parser(lines.addNewLine);
  for (const document of composer.compose(parser.parse(text), true, text.length)) return document;
  return undefined;
}

class Refusal extends Error {
  readonly problem: YamlProblem;

  constructor(place: Place, text: string) {
    super(text);
    this.problem = { line: place.line, column: place.column, text };
  }
}

class Reader {
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #nodes = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  read(node: unknown): Tree {
    const place = this.#placeOf(node);
    this.#nodes++;
    if (this.#nodes > maxNodes) {
      throw new Refusal(place, `the document has more than ${maxNodes} values once its aliases are followed`);
    }
    if (isAlias(node)) return this.#follow(node.source, place);
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
      this.#anchors.set(node.anchor, node);
    }
    if (isScalar(node)) return this.#scalar(node, place);
    if (this.#open.size >= maxDepth) {
      throw new Refusal(place, `lists and maps lie more than ${maxDepth} levels deep`);
    }
    if (isSeq(node)) {
      return this.#within(node, () => ({
        kind: "list",
        items: node.items.map((item) => this.read(item)),
        ...place,
      }));
    }
    if (isMap(node)) {
      const entries: TreeEntry[] = [];
      this.#within(node, () => {
        for (const { key, value } of node.items) this.#put(entries, key, value, place);
      });
      return { kind: "map", entries: lastOfEach(entries), ...place };
    }
    return nothing(place);
  }

  #within<Result>(node: Node, read: () => Result): Result {
    this.#open.add(node);
    const result = read();
    this.#open.delete(node);
    return result;
  }

  #follow(name: string, place: Place): Tree {
    const target = this.#anchors.get(name);
    if (target === undefined) throw new Refusal(place, `Unknown anchor '${name}' referenced`);
    if (this.#open.has(target)) throw new Refusal(place, `anchor '${name}' value contains itself`);
    return this.read(target);
  }

  #put(entries: TreeEntry[], keyNode: unknown, valueNode: unknown, place: Place): void {
    const key = keyNode === null || keyNode === undefined ? nothing(place) : this.read(keyNode);
    const value = valueNode === null || valueNode === undefined ? nothing(key) : this.read(valueNode);
    if (key.kind !== "scalar") throw new Refusal(key, `invalid map key: ${asGo(key)}`);
    if (key.text !== "<<" || !isPlain(keyNode)) {
      entries.push({ key, value });
      return;
    }
    const merged = value.kind === "list" ? value.items : [value];
    for (const map of merged.toReversed()) {
      if (map.kind !== "map")
        throw new Refusal(value, "map merge requires map or sequence of maps as the value");
      entries.push(...map.entries);
    }
  }

  #scalar(node: Scalar, place: Place): TreeScalar {
    const plain = isPlain(node);
    const text = node.source ?? (typeof node.value === "string" ? node.value : "");
    const value =
      node.tag === undefined
        ? plain
          ? plainValue(text)
          : { type: "string" as const, value: text }
        : taggedValue(node.tag, text, plain);
    if (value === undefined) {
      const short = (node.tag ?? "").replace(/^tag:yaml\.org,2002:/, "!!");
      const problem =
        short === "!!binary"
          ? "!!binary value contains invalid base64 data"
          : `cannot decode ${plain ? tagOf(plainValue(text)) : "!!str"} \`${text}\` as a ${short}`;
      throw new Refusal(place, problem);
    }
    const binary = node.tag === "tag:yaml.org,2002:binary";
    return {
      kind: "scalar",
      value,
      text: binary && value.type === "string" ? value.value : text,
      binary,
      ...place,
    };
  }

  #placeOf(node: unknown): Place {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
    if (range === undefined || range === null) return start;
    const { line, col } = this.#lines.linePos(range[0]);
    return { line, column: col };
  }
}

function isPlain(node: unknown): boolean {
  return isScalar(node) && (node.type === Scalar.PLAIN || node.type === undefined);
}

function nothing({ line, column }: Place): TreeScalar {
  return { kind: "scalar", value: { type: "null" }, text: "", binary: false, line, column };
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
