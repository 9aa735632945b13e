import type { ListSchema, ScalarSchema, Schema, StructSchema } from "./schema.ts";
import type { Tree, TreeScalar } from "./tree.ts";

/** A value as the schema wants it; what had another type became the type's zero. */
export type Typed = TypedText | number | boolean | readonly Typed[] | TypedStruct;

/** Text, or bytes with one letter each. */
export interface TypedText {
  readonly text: string;
  readonly binary: boolean;
}

/** Every key of the schema is there: with its zero when the document lacks it. */
export class TypedStruct {
  readonly #values: ReadonlyMap<string, Typed>;

  constructor(values: ReadonlyMap<string, Typed>) {
    this.#values = values;
  }

  /** The value of a key, or undefined for a key that the schema does not have. */
  get(key: string): Typed | undefined {
    return this.#values.get(key);
  }

  /** The text of a key; empty when it is none. */
  text(key: string): string {
    return textOf(this.get(key));
  }

  /** Text with what its letters are. */
  raw(key: string): TypedText {
    const value = this.get(key);
    return isText(value) ? value : { text: "", binary: false };
  }

  on(key: string): boolean {
    return this.get(key) === true;
  }

  struct(key: string): TypedStruct {
    const value = this.get(key);
    return value instanceof TypedStruct ? value : emptyStruct;
  }

  texts(key: string): readonly string[] {
    const value = this.get(key);
    return Array.isArray(value) ? value.map(textOf) : [];
  }

  structs(key: string): readonly TypedStruct[] {
    const value = this.get(key);
    return Array.isArray(value) ? value.filter((each) => each instanceof TypedStruct) : [];
  }
}

const emptyStruct = new TypedStruct(new Map());

export function isText(value: Typed | undefined): value is TypedText {
  return typeof value === "object" && "text" in value && "binary" in value;
}

function textOf(value: Typed | undefined): string {
  return isText(value) ? value.text : "";
}

/**
 * Reads a document into the schema as the original does: hyphens in keys are underscores, what does not fit is left out.
 * A key that stands there again (merged maps count as well) adds to its list or section, and takes a value's place.
 */
export function readConfig(schema: StructSchema, tree: Tree | undefined, before?: TypedStruct): TypedStruct {
  const values = new Map<string, Typed>();
  for (const [key, each] of Object.entries(schema.keys)) values.set(key, before?.get(key) ?? zeroOf(each));
  for (const { key, value } of tree?.kind === "map" ? tree.given : []) {
    const name = key.text.replaceAll("-", "_");
    const wanted = Object.hasOwn(schema.keys, name) ? schema.keys[name] : undefined;
    const read = wanted === undefined ? undefined : readValue(wanted, value, values.get(name));
    if (read !== undefined) values.set(name, read);
  }
  return new TypedStruct(values);
}

function zeroOf(schema: Schema): Typed {
  switch (schema.kind) {
    case "string":
      return { text: "", binary: false };
    case "bool":
      return false;
    case "int":
    case "float64":
      return 0;
    case "list":
      return [];
    case "struct":
      return readConfig(schema, undefined);
  }
}

/** Undefined when the value does not fit. */
function readValue(schema: Schema, tree: Tree, before?: Typed): Typed | undefined {
  if (tree.kind === "scalar" && tree.value.type === "null") return zeroOf(schema);
  if (schema.kind === "struct") {
    if (tree.kind !== "map") return undefined;
    return readConfig(schema, tree, before instanceof TypedStruct ? before : undefined);
  }
  if (schema.kind === "list") return readList(schema, tree, Array.isArray(before) ? before : []);
  return tree.kind === "scalar" ? readScalar(schema, tree) : undefined;
}

function readList(schema: ListSchema, tree: Tree, before: readonly Typed[]): Typed | undefined {
  if (tree.kind !== "list") return undefined;
  const added = tree.items.flatMap((item): Typed[] => {
    const read = readValue(schema.element, item);
    return read === undefined ? [] : [read];
  });
  return [...before, ...added];
}

function readScalar(schema: ScalarSchema, { value, text, binary }: TreeScalar): Typed | undefined {
  switch (schema.kind) {
    case "string":
      return { text, binary };
    case "bool":
      return value.type === "bool" ? value.value : undefined;
    case "int":
      // A number with a fraction loses it, as in Go.
      if (value.type === "float64")
        return Math.abs(value.value) < 2 ** 63 ? Math.trunc(value.value) : undefined;
      return value.type === "int" ? value.value : undefined;
    case "float64":
      return value.type === "float64" || value.type === "int" ? value.value : undefined;
  }
}
