import { editsBetween } from "../lib/edit-distance.ts";
import { goQuoted } from "../lib/go-quote.ts";
import { cloudConfigSchema, isValid, type Schema, type StructSchema, typeName } from "./schema.ts";
import { readYaml, type Tree, type TreeEntry, type TreeMap, type TreeScalar } from "./tree.ts";
import { foreignFormat, unpackUserData, userDataKind, userDataText } from "./user-data.ts";
import { decodeContent } from "./content.ts";
import { bytesOf } from "./tree.ts";

/** Something about a cloud-config that a person should know. */
export interface Finding {
  readonly line: number;
  readonly column: number;
  /** An error keeps the file or this part from working; a warning does not. */
  readonly severity: "error" | "warning";
  readonly sentence: string;
}

/** Finds what is wrong with user-data, better than the original's validator says it. */
export function checkUserData(packed: Uint8Array): readonly Finding[] {
  const at = { line: 1, column: 1, severity: "error" } as const;
  const unpacked = unpackUserData(packed);
  if (unpacked.problem !== undefined)
    return [{ ...at, sentence: `The file cannot be unpacked: ${unpacked.problem}.` }];
  const { text, problem } = userDataText(unpacked.bytes);
  if (problem !== undefined) return [{ ...at, sentence: `The file is not UTF-8: ${problem}.` }];
  const kind = userDataKind(text);
  if (kind === "unknown") {
    const hint =
      foreignFormat(text) ?? 'the first line has to be "#cloud-config", or begin with "#!" for a script';
    return [{ ...at, sentence: `This is no cloud-config: ${hint}.` }];
  }
  if (kind === "ignition")
    return [{ ...at, sentence: "This is a configuration of Ignition, which nothing here carries out." }];
  if (kind !== "cloud-config") return [];
  const read = readYaml(text);
  if ("problem" in read) {
    const { line, column, text: words } = read.problem;
    const hint = words === "found unexpected ':'" ? " (between brackets, put it in quotes)" : "";
    return [{ line, column, severity: "error", sentence: `The file is no YAML: ${words}${hint}.` }];
  }
  if (read.root === undefined || (read.root.kind === "scalar" && read.root.value.type === "null")) return [];
  return checkValue(read.root, cloudConfigSchema, "the file").toSorted(
    (one, other) => one.line - other.line || one.column - other.column,
  );
}

/** A finding in one line. */
export function findingLine(file: string, { line, column, severity, sentence }: Finding): string {
  return `${file}:${line}:${column}: ${severity}: ${sentence}`;
}

function finding(at: Tree, severity: Finding["severity"], sentence: string): Finding {
  return { line: at.line, column: at.column, severity, sentence };
}

function checkValue(tree: Tree, schema: Schema, name: string): readonly Finding[] {
  if (!fits(tree, schema)) {
    return [
      finding(
        tree,
        "error",
        `${name} is ${shapeOf(tree)}, but has to be ${wantedShape(schema)}; it is left out.`,
      ),
    ];
  }
  if (schema.kind === "struct") return tree.kind === "map" ? checkMap(tree, schema, name) : [];
  if (schema.kind === "list") {
    const items = tree.kind === "list" ? tree.items : [];
    return items.flatMap((item, index) => checkValue(item, schema.element, `${name}[${index}]`));
  }
  if (tree.kind !== "scalar" || isValid(schema, tree.text)) return [];
  const values = schema.values === undefined ? "" : `; it takes ${schema.values}`;
  return [finding(tree, "error", `${goQuoted(tree.text)} is no value of ${name}${values}.`)];
}

function checkMap(map: TreeMap, schema: StructSchema, name: string): readonly Finding[] {
  const own = map.given.flatMap(({ key, value }): readonly Finding[] => {
    const wanted = key.text.replaceAll("-", "_");
    const known = Object.hasOwn(schema.keys, wanted) ? schema.keys[wanted] : undefined;
    const path = name === "the file" ? wanted : `${name}.${wanted}`;
    if (known === undefined) return [unknownKey(key, schema, name)];
    return [...checkValue(value, known, path), ...checkSpecial(path, value)];
  });
  const all = [...own, ...repeatedKeys(map, schema)];
  return schema.keys["encoding"] === undefined ? all : [...all, ...checkContent(map.given, name)];
}

/** Keys that a map has twice; what it merges stands before it and may be replaced. */
function repeatedKeys(map: TreeMap, schema: StructSchema): readonly Finding[] {
  const lines = new Map<string, number>();
  return map.given.flatMap(({ key }): readonly Finding[] => {
    if (key.line < map.line || (key.line === map.line && key.column < map.column)) return [];
    const typed = key.text.replaceAll("-", "_");
    const before = lines.get(typed);
    lines.set(typed, before ?? key.line);
    const known = Object.hasOwn(schema.keys, typed) ? schema.keys[typed] : undefined;
    if (before === undefined || known === undefined) return [];
    const addsUp = known.kind === "list" || known.kind === "struct";
    const end = addsUp ? "both add up" : "the last one counts";
    return [finding(key, "warning", `${goQuoted(key.text)} stands in line ${before} already; ${end}.`)];
  });
}

function unknownKey(key: TreeScalar, schema: StructSchema, name: string): Finding {
  const typed = key.text.replaceAll("-", "_");
  const near = nearest(typed, Object.keys(schema.keys));
  const elsewhere = near === undefined ? placeOf(typed) : undefined;
  const hint =
    near !== undefined
      ? `; did you mean ${near}?`
      : elsewhere !== undefined
        ? `; it belongs to ${elsewhere}.`
        : `; known are ${Object.keys(schema.keys).slice(0, 20).join(", ")}.`;
  const where = name === "the file" ? "a cloud-config" : name;
  return finding(key, "warning", `${where} has no key ${goQuoted(key.text)}, so it is left out${hint}`);
}

/** Where a key that stands in the wrong place belongs. */
function placeOf(key: string): string | undefined {
  if (Object.hasOwn(cloudConfigSchema.keys, key)) return "the top level";
  const coreos = cloudConfigSchema.keys["coreos"];
  return coreos?.kind === "struct" && Object.hasOwn(coreos.keys, key) ? "the section coreos" : undefined;
}

function checkSpecial(path: string, value: Tree): readonly Finding[] {
  if (value.kind !== "scalar") return [];
  if (path === "manage_etc_hosts" && value.text !== "localhost" && value.text !== "") {
    return [
      finding(value, "error", `${goQuoted(value.text)} is no value of manage_etc_hosts; it takes localhost.`),
    ];
  }
  return [];
}

function checkContent(entries: readonly TreeEntry[], name: string): readonly Finding[] {
  const find = (key: string): TreeScalar | undefined => {
    const value = entries.findLast((entry) => entry.key.text === key)?.value;
    return value?.kind === "scalar" ? value : undefined;
  };
  const encoding = find("encoding");
  const content = find("content");
  const path = find("path");
  const lost =
    path === undefined || path.text === ""
      ? [nameless(entries, `${name} has no path, so it cannot be written.`)]
      : [];
  if (encoding === undefined || content === undefined) return lost.flat();
  const decoded = decodeContent(bytesOf(content.text, content.binary), encoding.text);
  if ("bytes" in decoded) return lost.flat();
  const sentence = `${name}.content: ${decoded.problem}; the whole file is refused for it.`;
  return [...lost.flat(), finding(content, "error", sentence)];
}

function nameless(entries: readonly TreeEntry[], sentence: string): readonly Finding[] {
  const first = entries[0];
  return first === undefined ? [] : [finding(first.key, "error", sentence)];
}

function fits(tree: Tree, schema: Schema): boolean {
  if (schema.kind === "struct") return tree.kind === "map";
  if (schema.kind === "list") return tree.kind === "list";
  if (tree.kind !== "scalar" || tree.value.type === "null") return false;
  if (schema.kind === "string") return true;
  if (schema.kind === "float64") return tree.value.type === "float64" || tree.value.type === "int";
  return tree.value.type === schema.kind;
}

function shapeOf(tree: Tree): string {
  if (tree.kind === "list") return "a list";
  if (tree.kind === "map") return "a map";
  if (tree.value.type === "null") return "empty";
  const words = { string: "the text", bool: "the truth value", int: "the number", float64: "the number" };
  return `${words[tree.value.type]} ${goQuoted(tree.text)}`;
}

function wantedShape(schema: Schema): string {
  switch (schema.kind) {
    case "string":
      return "text";
    case "bool":
      return "true or false, without quotes";
    case "int":
      return "a whole number, without quotes";
    case "float64":
      return "a number, without quotes";
    case "struct":
      return `a map of keys such as ${Object.keys(schema.keys).slice(0, 3).join(", ")}`;
    case "list":
      return typeName(schema) === "[]struct" ? "a list of maps" : "a list of texts";
  }
}

/** The known word that is at most a third of its letters away. */
function nearest(typed: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((word) => ({ word, edits: editsBetween(typed.slice(0, 64), word) }))
    .toSorted((one, other) => one.edits - other.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(1, Math.floor(best.word.length / 3))
    ? best.word
    : undefined;
}
