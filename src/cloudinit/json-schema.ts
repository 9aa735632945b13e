import { cloudConfigSchema, type Schema } from "./schema.ts";

/** The schema as JSON Schema (draft 2020-12), for editors. Keys may be spelled with hyphens, too. */
export function cloudConfigJsonSchema(): Readonly<Record<string, unknown>> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "cloud-config",
    ...jsonSchemaOf(cloudConfigSchema),
  };
}

function jsonSchemaOf(schema: Schema): Readonly<Record<string, unknown>> {
  const common = {
    description: schema.about,
    ...(schema.deprecated === undefined ? {} : { deprecated: true }),
  };
  switch (schema.kind) {
    case "struct": {
      const properties = Object.entries(schema.keys).flatMap(([key, each]) => {
        const read = jsonSchemaOf(each);
        return key.includes("_")
          ? [
              [key, read],
              [key.replaceAll("_", "-"), read],
            ]
          : [[key, read]];
      });
      return {
        ...common,
        type: "object",
        properties: Object.fromEntries(properties),
        additionalProperties: false,
      };
    }
    case "list":
      return { ...common, type: "array", items: jsonSchemaOf(schema.element) };
    case "bool":
      return { ...common, type: "boolean" };
    case "int":
      return { ...common, type: "integer" };
    case "float64":
      return { ...common, type: "number" };
    case "string": {
      // What YAML takes for a number or a truth value is read as the text it was written as.
      const rule = schema.valid === undefined ? {} : { pattern: `^$|${schema.valid.source}` };
      return { ...common, type: ["string", "number", "boolean"], ...rule };
    }
  }
}

/** The reference page: every key with its type, its values and what it does. */
export function referencePage(): string {
  const lines = [
    "# Every key of a cloud-config",
    "",
    "Made from the schema by `argosy cloud-config schema --markdown`. Hyphens in keys may stand for underscores.",
    "[The other page](cloud-config.md) shows what to do with them.",
    "",
  ];
  const write = (schema: Schema, path: string): void => {
    if (schema.kind === "list") {
      if (schema.element.kind === "struct") write(schema.element, `${path}[]`);
      return;
    }
    if (schema.kind !== "struct") return;
    lines.push(`## ${path === "" ? "Top level" : `\`${path}\``}`, "");
    if (schema.deprecated !== undefined) lines.push(`The validator says: ${schema.deprecated}.`, "");
    lines.push("| Key | Type | Meaning |", "|---|---|---|");
    for (const [key, each] of Object.entries(schema.keys)) lines.push(row(key, each));
    lines.push("");
    for (const [key, each] of Object.entries(schema.keys)) write(each, path === "" ? key : `${path}.${key}`);
  };
  write(cloudConfigSchema, "");
  return `${lines.join("\n").trimEnd()}\n`;
}

const typeWords: Readonly<Record<Schema["kind"], string>> = {
  string: "text",
  bool: "true or false",
  int: "whole number",
  float64: "number",
  list: "list",
  struct: "section",
};

function row(key: string, schema: Schema): string {
  const values = "values" in schema && schema.values !== undefined ? ` Takes ${schema.values}.` : "";
  const old =
    schema.deprecated === undefined || schema.kind === "struct" ? "" : ` Deprecated: ${schema.deprecated}.`;
  return `| \`${key}\` | ${typeWords[schema.kind]} | ${schema.about}${values}${old} |`;
}
