/** A tag that opens, with its attributes. */
export interface Tag {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Characters of XML that are read: datasources write a page, not more. */
const limit = 1024 * 1024;

/** The tags that open in a text, in order: all that the few files of datasources need of XML. Prefixes are left out. */
export function tagsOf(xml: string): readonly Tag[] {
  const text = xml.slice(0, limit).replaceAll(/<!--.*?-->/gs, "");
  return Array.from(text.matchAll(/<([A-Za-z][\w:.-]*)([^<>]*)>/g), ([, name = "", rest = ""]) => ({
    name: withoutPrefix(name),
    attributes: Object.fromEntries(
      Array.from(
        rest.matchAll(/([A-Za-z][\w:.-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g),
        ([, key = "", one, other]) => [withoutPrefix(key), unescaped(one ?? other ?? "")],
      ),
    ),
  }));
}

function withoutPrefix(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w{1,8}));/g, (all, hex, decimal, name) => {
    const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal);
    if (name !== undefined) return entities[name] ?? all;
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}
