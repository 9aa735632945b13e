import { fromBase64 } from "./go-text.ts";

/** What a YAML scalar means: text, or what the old dialect of YAML takes its letters for. */
export type ScalarValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "int"; readonly value: number }
  | { readonly type: "float64"; readonly value: number }
  | { readonly type: "null" };

const words = new Map<string, ScalarValue>([
  ...["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"].map(
    (word) => [word, { type: "bool", value: true }] as const,
  ),
  ...["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"].map(
    (word) => [word, { type: "bool", value: false }] as const,
  ),
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, { type: "null" }] as const),
  ...[".nan", ".NaN", ".NAN"].map((word) => [word, { type: "float64", value: Number.NaN }] as const),
  ...[".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"].map(
    (word) => [word, { type: "float64", value: Number.POSITIVE_INFINITY }] as const,
  ),
  ...["-.inf", "-.Inf", "-.INF"].map(
    (word) => [word, { type: "float64", value: Number.NEGATIVE_INFINITY }] as const,
  ),
]);

/** What an unquoted scalar means in the YAML 1.1 of 2014: octal numbers, `yes` and `off`, no times and no base 60. */
export function plainValue(source: string): ScalarValue {
  const word = words.get(source);
  if (word !== undefined) return word;
  const text: ScalarValue = { type: "string", value: source };
  if (!/^[-+.0-9]/.test(source) || source.length > 400) return text;
  // Where a dot begins the number Go's reader of numbers gets the letters as they are.
  const digits = source.startsWith(".") ? source : source.replaceAll("_", "");
  const [, sign = "", base = "", rest = ""] = /^([-+]?)(0[xX]|(?<!\+)0b|0(?=\d))?(.*)$/s.exec(digits) ?? [];
  const radix = { "0x": 16, "0b": 2, "0": 8, "": 10 }[base.toLowerCase()] ?? 10;
  const allowed = { 16: /^[0-9a-fA-F]+$/, 2: /^[01]+$/, 8: /^[0-7]+$/, 10: /^\d+$/ }[radix];
  if (allowed?.test(rest) === true) {
    const value = (sign === "-" ? -1 : 1) * Number.parseInt(rest, radix);
    // Beyond 64 bits Go reads a decimal number as a float.
    if (Math.abs(value) < 2 ** 63) return { type: "int", value };
    return radix === 10 ? { type: "float64", value } : text;
  }
  if (/^[-+]inf(inity)?$/i.test(digits)) {
    return { type: "float64", value: sign === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY };
  }
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(digits)) return text;
  const value = Number(digits);
  return Number.isFinite(value) ? { type: "float64", value } : text;
}

/** What a scalar with a tag such as `!!int` means; undefined when it cannot mean that. */
export function taggedValue(tag: string, source: string): ScalarValue | undefined {
  const text: ScalarValue = { type: "string", value: source };
  const wanted = typeOf[tag.replace(/^tag:yaml\.org,2002:/, "")];
  if (wanted === "binary") {
    const read = fromBase64(new TextEncoder().encode(source));
    // Bytes travel as one letter each; `bytesOf` in tree.ts takes them back.
    return "bytes" in read
      ? { type: "string", value: Array.from(read.bytes, (byte) => String.fromCharCode(byte)).join("") }
      : undefined;
  }
  if (wanted === undefined) return text;
  const value = plainValue(source);
  return value.type === wanted ? value : undefined;
}

const typeOf: Readonly<Record<string, ScalarValue["type"] | "binary">> = {
  int: "int",
  float: "float64",
  bool: "bool",
  null: "null",
  binary: "binary",
};
