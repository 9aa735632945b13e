import fc from "fast-check";

/** Names of keys: few, so that steps meet; `_` hides, `ab` begins with the text of `a`. */
const names = [
  "a",
  "b",
  "ab",
  "_h",
  "c.d",
  "...",
  "_",
  "A",
  "0",
  "x y",
  "ü",
  "<&>",
  "+",
  "%2F",
  "a?b#c;d",
  "\u2028",
  "😀",
  '"q\\',
];

/** Values. keptDifferences.longTarget: the long one, escaped, fits into a first line of 4 KiB. */
const values = [
  "1",
  "2",
  "x",
  "a b",
  "ü",
  "<&>\u2028",
  "line\nbreak",
  'quote"\\/',
  "\u0000\u001f\b\f",
  "+%",
  "=",
  "5",
  "long ".repeat(450),
];

const truths = ["true", "false", "1", "0", "t", "F", "True", "FALSE"];
const noTruths = ["", "yes", "TrUe", "2", " true", "on"];
const noNumbers = ["", "-1", "+1", "1.5", "x", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "٣", "1_0"];

/** Escapes all bytes that need it. */
export function escaped(text: string): string {
  return Array.from(Buffer.from(text, "utf8"), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9._~-]/.test(character) ? character : percent(byte);
  }).join("");
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Escapes every byte, in small letters. */
function escapedWhole(text: string): string {
  return Array.from(Buffer.from(text, "utf8"), (byte) => percent(byte).toLowerCase()).join("");
}

/** The bytes as they are, where the first line of a request and a form can take them. */
function bare(text: string): string {
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  return /[%?#&+=;]|[^!-~\u0080-\u00ff]/.test(bytes) ? escaped(text) : bytes;
}

const writtenName = fc
  .tuple(
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...names.slice(0, 4)) },
      { weight: 4, arbitrary: fc.constantFrom(...names) },
    ),
    fc.oneof(
      { weight: 8, arbitrary: fc.constant(escaped) },
      { weight: 1, arbitrary: fc.constant(escapedWhole) },
      { weight: 2, arbitrary: fc.constant(bare) },
    ),
  )
  .map(([name, write]) => write(name));

/** Elements that are no plain names: in-order keys, odd ways to write a path, broken ones. keptDifferences.bytes: none is sorted elsewhere. */
const oddElement = fc.constantFrom(
  "",
  ".",
  "..",
  "%2e%2e",
  "%2F",
  "a%2Fb",
  "%252F",
  "%zz",
  "%",
  "%a",
  "%c3%bc",
  "%ef%bf%bd",
  "%ff",
  "%ff%fe",
  "%00",
  "a%0Ab",
  "{N+1}",
  "{N+2}",
  "{N+3}",
  "~!$'()*,:@",
  "n".repeat(300),
);

const element = fc.oneof({ weight: 24, arbitrary: writtenName }, { weight: 1, arbitrary: oddElement });

/** Where steps meet: above, below and beside each other, hidden, and with names that begin alike. */
const meetingPaths = [
  "/a",
  "/a",
  "/a",
  "/a/b",
  "/a/b",
  "/b",
  "/a/b/ab",
  "/ab",
  "/_h",
  "/a/_h",
  "/a/_h/b",
  "",
];

const anyPath = fc
  .tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.constant<string[]>([]) },
      { weight: 16, arbitrary: fc.array(element, { minLength: 1, maxLength: 3 }) },
      { weight: 1, arbitrary: fc.array(element, { minLength: 4, maxLength: 7 }) },
    ),
    fc.oneof({ weight: 8, arbitrary: fc.constant("") }, { weight: 1, arbitrary: fc.constant("/") }),
  )
  .map(([elements, end]) => `${elements.map((one) => `/${one}`).join("")}${end}`);

export const keyPath = fc
  .oneof({ weight: 4, arbitrary: fc.constantFrom(...meetingPaths) }, { weight: 1, arbitrary: anyPath })
  .map((path) => `/v2/keys${path}`);

/** A parameter: its name, its text, and whether it goes into the body. */
export type Parameter = readonly [name: string, text: string, inBody: boolean];

const someValue = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("1", "2") },
  { weight: 1, arbitrary: fc.constantFrom(...values) },
);
const somePlace = fc.boolean();
const yes = fc.oneof(
  { weight: 5, arbitrary: fc.constant("true") },
  { weight: 1, arbitrary: fc.constantFrom(...truths) },
);
/** Lifetimes that end long after the sequence; the last one wraps round to about a thousand seconds. */
const longTtl = fc.constantFrom("100", "100", "5000", "007000", "86400", "", "7000000000", "18446745073");
const someIndex = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 7 }).map((offset) => `{S+${offset}}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "0",
      "00",
      "1",
      "{S+0}",
      "{S-2}",
      "18446744073709551615",
      "9223372036854775808",
    ),
  },
);

const parameters = {
  value: someValue,
  ttl: longTtl,
  dir: yes,
  recursive: yes,
  sorted: yes,
  quorum: yes,
  wait: yes,
  stream: yes,
  refresh: yes,
  noValueOnSuccess: yes,
  prevExist: fc.constantFrom(...truths),
  prevValue: someValue,
  prevIndex: someIndex,
  waitIndex: someIndex,
} as const;

export type ParameterName = keyof typeof parameters;
const parameterNames = Object.keys(parameters) as ParameterName[];

/** One of these parameters, in order. */
export function oneOf(...wanted: ParameterName[]): fc.Arbitrary<Parameter> {
  const ways = wanted.map((name) => fc.tuple(fc.constant<string>(name), parameters[name], somePlace));
  return fc.oneof(...ways);
}

/** Any parameter, with texts that may make no sense for it. */
export const wildParameter: fc.Arbitrary<Parameter> = fc.tuple(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<string>(...parameterNames) },
    { weight: 1, arbitrary: fc.constantFrom("Value", "", "unknown", "prevvalue", "value[]", "ü") },
  ),
  fc.oneof(
    fc.constantFrom(...truths),
    fc.constantFrom(...noTruths),
    fc.constantFrom(...noNumbers),
    someIndex,
    someValue,
  ),
  somePlace,
);

/** Texts of queries and forms that are broken or odd as a whole. */
export const oddForm = fc.constantFrom(
  "&",
  "&&value=1",
  "value",
  "value=a=b",
  "=x",
  "value=%zz",
  "%zz=1",
  "value=1;ttl=5",
  "value=%",
  "a;b",

  "value=1&value=2",
  "va%6Cue=3",
  "?value=1",

  "value=1#x",
);

export const contentTypes = fc.oneof(
  { weight: 20, arbitrary: fc.constant<string | undefined>("application/x-www-form-urlencoded") },
  {
    weight: 1,
    arbitrary: fc.constantFrom<(string | undefined)[]>(
      undefined,
      "application/x-www-form-urlencoded; charset=utf-8",
      "Application/X-WWW-Form-URLencoded",
      " application/x-www-form-urlencoded ;charset=x",
      "application/json",
      "text/plain",
      "multipart/form-data; boundary=x",
      "multipart/form-data",
      "application/x-www-form-urlencoded;",
      "application/x-www-form-urlencoded; charset",
      "application/x-www-form-urlencoded; a=1; a=2",
      "nonsense",
      "a/b/c",
      "/",
      "",
      ";",
    ),
  },
);
