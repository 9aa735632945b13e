/** What a `Content-Type` header says. */
export interface MediaType {
  /** In small letters, without parameters. */
  readonly type: string;
  /** In the words of Go's mime.ParseMediaType, which etcd passes on to clients; undefined when it is in order. */
  readonly problem: string | undefined;
}

const name = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const startsWithName = new RegExp(`^${name}`);
const wholeType = new RegExp(`^${name}(?:/${name})?$`);
const parameter = new RegExp(`^\\s*;\\s*(${name})\\s*=\\s*(?:(${name})|"((?:\\\\.|[^"\\r\\n])*)")\\s*`);

/** Reads a `Content-Type` header as Go does; without one, a body is of no known type. */
export function readMediaType(header: string | undefined): MediaType {
  if (header === undefined || header === "") return { type: "application/octet-stream", problem: undefined };
  if (header === "application/x-www-form-urlencoded") return { type: header, problem: undefined };
  const end = header.includes(";") ? header.indexOf(";") : header.length;
  const type = header.slice(0, end).trim().toLowerCase();
  return { type, problem: typeProblem(type) ?? parametersProblem(header.slice(end)) };
}

function typeProblem(type: string): string | undefined {
  const [first] = startsWithName.exec(type) ?? [];
  if (first === undefined) return "mime: no media type";
  if (wholeType.test(type)) return undefined;
  const rest = type.slice(first.length);
  if (!rest.startsWith("/")) return "mime: expected slash after first token";
  if (!startsWithName.test(rest.slice(1))) return "mime: expected token after slash";
  return "mime: unexpected content after media subtype";
}

function parametersProblem(text: string): string | undefined {
  const values = new Map<string, string>();
  let rest = text.trim();
  while (rest !== "") {
    const [whole, key, plain, quoted] = parameter.exec(rest) ?? [];
    // A semicolon at the end is harmless.
    if (whole === undefined || key === undefined)
      return rest === ";" ? undefined : "mime: invalid media parameter";
    const value = plain ?? quoted ?? "";
    const before = values.get(key.toLowerCase());
    if (before !== undefined && before !== value) return "mime: duplicate parameter name";
    values.set(key.toLowerCase(), value);
    rest = rest.slice(whole.length);
  }
  return undefined;
}
