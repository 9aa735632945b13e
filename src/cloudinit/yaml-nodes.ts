import { type Place, refusal } from "./yaml-cursor.ts";
import { maxDepth, YamlScanner } from "./yaml-scanner.ts";
import type { Token } from "./yaml-tokens.ts";

/** A document as it is written: aliases not followed, merges not done, what a text means not judged. */
export type YamlNode = YamlScalar | YamlList | YamlMap | YamlAlias;

export interface YamlScalar extends Place {
  readonly kind: "scalar";
  readonly text: string;
  /** Without quotes, and no block. */
  readonly isPlain: boolean;
  /** In full; empty for none. */
  readonly tag: string;
}

export interface YamlList extends Place {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends Place {
  readonly kind: "map";
  readonly pairs: readonly (readonly [YamlNode, YamlNode])[];
}

export interface YamlAlias extends Place {
  readonly kind: "alias";
  readonly name: string;
}

export interface YamlDocument {
  /** Undefined when the text holds no document. */
  readonly root: YamlNode | undefined;
  /** The last node of each name, wherever an alias stands. */
  readonly anchors: ReadonlyMap<string, YamlNode>;
}

/**
 * The first document of a text, by libyaml's grammar and in its words; what begins behind it has to be another one.
 * @throws YamlRefusal
 */
export function parseYaml(text: string): YamlDocument {
  const parser = new YamlParser(new YamlScanner(text));
  const root = parser.firstDocument();
  return { root, anchors: parser.anchors };
}

interface Properties {
  readonly anchor: string | undefined;
  readonly tag: string;
}

class YamlParser {
  readonly anchors = new Map<string, YamlNode>();
  readonly #scanner: YamlScanner;
  #prefixes = new Map<string, string>();
  #depth = 0;

  constructor(scanner: YamlScanner) {
    this.#scanner = scanner;
  }

  firstDocument(): YamlNode | undefined {
    const first = this.#scanner.peek();
    if (first.kind === "stream-end") return undefined;
    const isExplicit =
      first.kind === "document-start" || first.kind === "version-directive" || first.kind === "tag-directive";
    if (isExplicit) this.#beginDocument();
    else this.#prefixes = new Map(usualPrefixes);
    const root =
      isExplicit && this.#isNext(...documentEnds) ? nothing(this.#scanner.peek()) : this.#node(true, false);
    this.#take("document-end");
    while (this.#isNext("document-end")) this.#scanner.pass();
    // The original looks one step further, and so it refuses what is no second document.
    if (!this.#isNext("stream-end")) this.#beginDocument();
    return root;
  }

  #beginDocument(): void {
    this.#prefixes = new Map();
    let version = false;
    for (let token = this.#scanner.peek(); ; token = this.#scanner.peek()) {
      if (token.kind === "version-directive") {
        if (version) throw refusal(token, "found duplicate %YAML directive");
        if (token.version !== "1.1") throw refusal(token, "found incompatible YAML document");
        version = true;
      } else if (token.kind === "tag-directive") {
        if (this.#prefixes.has(token.handle)) throw refusal(token, "found duplicate %TAG directive");
        this.#prefixes.set(token.handle, token.prefix);
      } else break;
      this.#scanner.pass();
    }
    for (const [handle, prefix] of usualPrefixes) {
      if (!this.#prefixes.has(handle)) this.#prefixes.set(handle, prefix);
    }
    if (!this.#isNext("document-start"))
      throw refusal(this.#scanner.peek(), "did not find expected <document start>");
    this.#scanner.pass();
  }

  #isNext(...kinds: readonly Token["kind"][]): boolean {
    return kinds.includes(this.#scanner.peek().kind);
  }

  /** Takes a token of this kind if it is the next. */
  #take(kind: Token["kind"]): boolean {
    if (!this.#isNext(kind)) return false;
    this.#scanner.pass();
    return true;
  }

  /**
   * @param isBlock whether a list or a map by indentation may stand here
   * @param mayDash whether a list may begin here no deeper than the map it belongs to
   */
  #node(isBlock: boolean, mayDash: boolean): YamlNode {
    const start = this.#scanner.peek();
    if (start.kind === "alias") {
      this.#scanner.pass();
      return { kind: "alias", name: start.name, ...placeOf(start) };
    }
    const properties = this.#properties();
    if (this.#depth >= maxDepth) throw refusal(start, `lists and maps lie more than ${maxDepth} levels deep`);
    this.#depth++;
    const node = this.#content(isBlock, mayDash, start, properties);
    this.#depth--;
    return node;
  }

  #properties(): Properties {
    let anchor: string | undefined;
    let tag: (Token & { readonly kind: "tag" }) | undefined;
    for (let token = this.#scanner.peek(); ; token = this.#scanner.peek()) {
      if (token.kind === "anchor" && anchor === undefined) anchor = token.name;
      else if (token.kind === "tag" && tag === undefined) tag = token;
      else return { anchor, tag: tag === undefined ? "" : this.#tag(tag) };
      this.#scanner.pass();
    }
  }

  #tag(token: Token & { readonly kind: "tag" }): string {
    if (token.handle === "") return token.suffix;
    const prefix = this.#prefixes.get(token.handle);
    if (prefix === undefined) throw refusal(token, "found undefined tag handle");
    return prefix + token.suffix;
  }

  #content(isBlock: boolean, mayDash: boolean, start: Token, { anchor, tag }: Properties): YamlNode {
    const place = placeOf(start);
    const token = this.#scanner.peek();
    if (token.kind === "scalar") {
      this.#scanner.pass();
      const { text, isPlain } = token;
      return this.#named(anchor, { kind: "scalar", text, isPlain, tag, ...place });
    }
    const pairs: (readonly [YamlNode, YamlNode])[] = [];
    const items: YamlNode[] = [];
    // A name counts from the beginning of what it names, so one inside of it that is the same comes later.
    const asList = (): YamlNode => this.#named(anchor, { kind: "list", items, ...place });
    const asMap = (): YamlNode => this.#named(anchor, { kind: "map", pairs, ...place });
    if (mayDash && token.kind === "-") return this.#within(asList, () => this.#dashes(items));
    if (token.kind === "[") return this.#within(asList, () => this.#flowList(items));
    if (token.kind === "{") return this.#within(asMap, () => this.#flowMap(pairs));
    if (isBlock && token.kind === "list-start") return this.#within(asList, () => this.#blockList(items));
    if (isBlock && token.kind === "map-start") return this.#within(asMap, () => this.#blockMap(pairs));
    if (anchor === undefined && tag === "") throw refusal(token, "did not find expected node content");
    return this.#named(anchor, { kind: "scalar", text: "", isPlain: true, tag, ...place });
  }

  #within(name: () => YamlNode, read: () => void): YamlNode {
    const node = name();
    read();
    return node;
  }

  #named(anchor: string | undefined, node: YamlNode): YamlNode {
    if (anchor !== undefined) this.anchors.set(anchor, node);
    return node;
  }

  /** What may be missing where one of these tokens follows. */
  #nodeUnless(isBlock: boolean, mayDash: boolean, ...kinds: readonly Token["kind"][]): YamlNode {
    return this.#isNext(...kinds) ? nothing(this.#scanner.peek()) : this.#node(isBlock, mayDash);
  }

  #blockList(items: YamlNode[]): void {
    this.#scanner.pass();
    while (this.#take("-")) items.push(this.#nodeUnless(true, false, "-", "block-end"));
    if (!this.#take("block-end")) throw refusal(this.#scanner.peek(), "did not find expected '-' indicator");
  }

  #dashes(items: YamlNode[]): void {
    while (this.#take("-")) items.push(this.#nodeUnless(true, false, "-", "key", "value", "block-end"));
  }

  #blockMap(pairs: (readonly [YamlNode, YamlNode])[]): void {
    const ends = ["key", "value", "block-end"] as const;
    this.#scanner.pass();
    while (this.#take("key")) {
      const key = this.#nodeUnless(true, true, ...ends);
      const value = this.#take("value") ? this.#nodeUnless(true, true, ...ends) : nothing(key);
      pairs.push([key, value]);
    }
    if (!this.#take("block-end")) throw refusal(this.#scanner.peek(), "did not find expected key");
  }

  #flowList(items: YamlNode[]): void {
    this.#scanner.pass();
    for (let isFirst = true; !this.#isNext("]"); isFirst = false) {
      if (!isFirst && !this.#take(","))
        throw refusal(this.#scanner.peek(), "did not find expected ',' or ']'");
      if (this.#isNext("]")) break;
      items.push(this.#isNext("key") ? this.#flowPair() : this.#node(false, false));
    }
    this.#scanner.pass();
  }

  /** `[key: value]`, a map of one entry. */
  #flowPair(): YamlNode {
    const place = placeOf(this.#scanner.peek());
    this.#scanner.pass();
    const isMissing = this.#isNext("value", ",", "]");
    const key = isMissing ? nothing(this.#scanner.peek()) : this.#node(false, false);
    // That libyaml passes over a token where the key is missing is its own defect, and texts are refused for it.
    if (isMissing) this.#scanner.pass();
    const value = this.#take("value") ? this.#nodeUnless(false, false, ",", "]") : nothing(key);
    return { kind: "map", pairs: [[key, value]], ...place };
  }

  #flowMap(pairs: (readonly [YamlNode, YamlNode])[]): void {
    this.#scanner.pass();
    for (let isFirst = true; !this.#isNext("}"); isFirst = false) {
      if (!isFirst && !this.#take(","))
        throw refusal(this.#scanner.peek(), "did not find expected ',' or '}'");
      if (this.#isNext("}")) break;
      if (this.#take("key")) {
        const key = this.#nodeUnless(false, false, "value", ",", "}");
        const value = this.#take("value") ? this.#nodeUnless(false, false, ",", "}") : nothing(key);
        pairs.push([key, value]);
      } else {
        const key = this.#node(false, false);
        pairs.push([key, nothing(key)]);
      }
    }
    this.#scanner.pass();
  }
}

const usualPrefixes = new Map([
  ["!", "!"],
  ["!!", "tag:yaml.org,2002:"],
]);

const documentEnds = [
  "version-directive",
  "tag-directive",
  "document-start",
  "document-end",
  "stream-end",
] as const;

function placeOf({ line, column }: Place): Place {
  return { line, column };
}

function nothing(place: Place): YamlScalar {
  return { kind: "scalar", text: "", isPlain: true, tag: "", ...placeOf(place) };
}
