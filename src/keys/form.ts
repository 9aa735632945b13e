import { textOfBytes } from "./bytes.ts";

/** Names and values of a query or a form, the first of a repeated name; or why the text is none. */
export interface Form {
  readonly values: ReadonlyMap<string, string>;
  /** In the words of Go's net/url, which etcd passes on to clients; undefined when there was none. */
  readonly problem: string | undefined;
}

const noForm: Form = { values: new Map(), problem: undefined };

/** Reads `application/x-www-form-urlencoded` text as Go's url.ParseQuery does (Go 1.17: no `;`). */
export function parseForm(text: string): Form {
  if (text === "") return noForm;
  const values = new Map<string, string>();
  let problem: string | undefined;
  for (const pair of text.split("&")) {
    if (pair.includes(";")) {
      problem ??= "invalid semicolon separator in query";
    } else if (pair !== "") {
      const split = pair.includes("=") ? pair.indexOf("=") : pair.length;
      const name = pair.slice(0, split).replaceAll("+", " ");
      const value = pair.slice(split + 1).replaceAll("+", " ");
      const broken = brokenEscape(name) ?? brokenEscape(value);
      if (broken !== undefined) problem ??= `invalid URL escape "${broken}"`;
      else addFirst(values, unescapeText(name), unescapeText(value));
    }
  }
  return { values, problem };
}

/** One form out of a body and a query: the body wins, and its problem is told first. */
export function joinForms(body: Form, query: Form): Form {
  if (query === noForm) return body;
  if (body.values.size === 0) return { values: query.values, problem: body.problem ?? query.problem };
  return {
    values: new Map([...query.values, ...body.values]),
    problem: body.problem ?? query.problem,
  };
}

/** A form that something was wrong with before it was read. */
export function withProblem(form: Form, problem: string | undefined): Form {
  return problem === undefined ? form : { ...form, problem };
}

/** The first `%` that two hexadecimal digits do not follow, with what follows it. */
export function brokenEscape(text: string): string | undefined {
  return /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(text)?.[0];
}

/**
 * Text with its escapes undone; they must be in order. Each character of `text` stands for one byte (ISO 8859-1), as
 * Node gives them; bytes that are not UTF-8 are kept apart from all others (textOfBytes).
 */
export function unescapeText(text: string): string {
  if (!/[%\u0080-\u00ff]/.test(text)) return text;
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const escaped = text.startsWith("%", i);
    bytes[length++] = escaped ? Number.parseInt(text.slice(i + 1, i + 3), 16) : text.charCodeAt(i);
    if (escaped) i += 2;
  }
  return textOfBytes(bytes.subarray(0, length));
}

function addFirst(values: Map<string, string>, name: string, value: string): void {
  if (!values.has(name)) values.set(name, value);
}
