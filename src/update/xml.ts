import { SaxesParser } from "saxes";

/** An element of a small XML document: its attributes and children; text between them is dropped. */
export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
}

const mostDepth = 16;
const mostElements = 10_000;

/** Reads a document. Undefined when it is no well-formed XML, has a document type, or is nested or long beyond reason. */
export function parseXml(text: string): XmlElement | undefined {
  interface Open {
    readonly name: string;
    readonly attributes: Readonly<Record<string, string>>;
    readonly children: Open[];
  }
  const parser = new SaxesParser();
  const stack: Open[] = [];
  let root: Open | undefined;
  let elements = 0;
  let broken = false;
  parser.on("error", () => (broken = true));
  // Nobody's Omaha has one, and what one may do is more than we want to think about.
  parser.on("doctype", () => (broken = true));
  // Nothing else was read from the bytes, and nothing else is asked for by the protocol.
  parser.on("xmldecl", ({ encoding, version }) => {
    if (!/^utf-?8$/i.test(encoding ?? "utf-8") || (version ?? "1.0") !== "1.0") broken = true;
  });
  parser.on("opentag", ({ name, attributes }) => {
    elements++;
    if (broken || elements > mostElements || stack.length >= mostDepth) {
      broken = true;
      return;
    }
    const opened: Open = { name: localName(name), attributes: localAttributes(attributes), children: [] };
    stack.at(-1)?.children.push(opened);
    root ??= opened;
    stack.push(opened);
  });
  parser.on("closetag", () => void stack.pop());
  parser.write(text.replace(/^\uFEFF/, "")).close();
  return broken ? undefined : root;
}

/** A name without the prefix of its namespace: Omaha has no namespaces, and its servers pass over those that somebody adds. */
function localName(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

function localAttributes(attributes: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = Object.entries(attributes).filter(([name]) => !/^xmlns(?::|$)/.test(name));
  // Whoever gives an attribute with a prefix and without one means the latter.
  const prefixedFirst = own.toSorted(
    ([left], [right]) => Number(right.includes(":")) - Number(left.includes(":")),
  );
  return Object.fromEntries(prefixedFirst.map(([name, value]) => [localName(name), value]));
}

/** The first child of that name. */
export function childOf(parent: XmlElement | undefined, name: string): XmlElement | undefined {
  return parent?.children.find((child) => child.name === name);
}

/** All children of that name. */
export function childrenOf(parent: XmlElement | undefined, name: string): readonly XmlElement[] {
  return parent?.children.filter((child) => child.name === name) ?? [];
}

/** An attribute that is there and says something. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element to print; attributes that are undefined are left out. */
export function element(
  name: string,
  attributes: Attributes,
  children: readonly XmlElement[] = [],
): XmlElement {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return {
    name,
    attributes: Object.fromEntries(given.map(([key, value]) => [key, String(value)])),
    children,
  };
}

/** Prints a document with its declaration, two blanks of indentation, and every element closed by a tag of its own, as Go does. */
export function printXml(root: XmlElement): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${lines(root, "").join("\n")}\n`;
}

function lines({ name, attributes, children }: XmlElement, indentation: string): readonly string[] {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value)}"`);
  const open = `${indentation}<${name}${written.join("")}>`;
  if (children.length === 0) return [`${open}</${name}>`];
  return [open, ...children.flatMap((child) => lines(child, `${indentation}  `)), `${indentation}</${name}>`];
}

/** Characters that XML 1.0 cannot hold at all become U+FFFD, as Go's encoder has it. */
function escaped(text: string): string {
  return Array.from(text.toWellFormed(), (character) => (isXml(character) ? character : "\uFFFD"))
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&#34;")
    .replaceAll("\t", "&#x9;")
    .replaceAll("\n", "&#xA;")
    .replaceAll("\r", "&#xD;");
}

function isXml(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code >= 0x20 ? code !== 0xfffe && code !== 0xffff : code === 0x9 || code === 0xa || code === 0xd;
}
