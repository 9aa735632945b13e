import { decodeContent } from "./content.ts";
import { goQuoted } from "../lib/go-quote.ts";
import { LineFinder } from "./lines.ts";
import { isRequestUrl } from "./request-url.ts";
import { cleanPath } from "./paths.ts";
import { readConfig } from "./read-config.ts";
import { cloudConfigSchema, isValid, type Schema, typeName } from "./schema.ts";
import { bytesOf, readYaml } from "./tree.ts";
import { unpackUserData, userDataKind, userDataText } from "./user-data.ts";
import {
  childOf,
  documentNode,
  type NodeKind,
  textOf,
  type ValidationNode,
  withTypedValues,
} from "./validation-node.ts";

export type Severity = "error" | "warning" | "info";

/** One line of the validator's report. */
export interface Entry {
  /** Counted from 1 with the header; 0 when there is none to name. */
  readonly line: number;
  readonly severity: Severity;
  readonly message: string;
}

/**
 * What `coreos-cloudinit -validate` says about user-data, by its rules and in its words, sorted by line, severity and
 * message (the original's order within a map is random).
 */
export function validateUserData(packed: Uint8Array): readonly Entry[] {
  const { bytes } = unpackUserData(packed);
  const { text, problem } = userDataText(bytes);
  const kind = userDataKind(text);
  if (kind === "unknown") {
    return [{ line: 1, severity: "error", message: 'must be "#cloud-config" or begin with "#!"' }];
  }
  if (kind !== "cloud-config") return [];
  return sorted(problem === undefined ? validateCloudConfig(text) : noYaml(1, problem));
}

/** As the original prints an entry. */
export function entryLine({ line, severity, message }: Entry): string {
  return `line ${line}: ${severity}: ${message}`;
}

const severities: readonly Severity[] = ["error", "warning", "info"];

function sorted(entries: readonly Entry[]): readonly Entry[] {
  return entries.toSorted(
    (one, other) =>
      one.line - other.line ||
      severities.indexOf(one.severity) - severities.indexOf(other.severity) ||
      (one.message < other.message ? -1 : 1),
  );
}

function validateCloudConfig(text: string): readonly Entry[] {
  const read = readYaml(text);
  if ("problem" in read) return noYaml(read.problem.oldLine ?? 1, read.problem.text);
  const guessed = documentNode(read.root, new LineFinder(text));
  const config = withTypedValues(guessed, readConfig(cloudConfigSchema, read.root));
  return [
    ...discovery(config),
    ...encodings(config),
    ...structure(config, cloudConfigSchema),
    ...values(config, cloudConfigSchema),
    ...readOnlyPaths(config),
    ...misplaced(config),
  ];
}

function noYaml(line: number, message: string): readonly Entry[] {
  return [
    { line, severity: "error", message },
    { line: 0, severity: "warning", message: 'incorrect type for "" (want struct)' },
  ];
}

function discovery(config: ValidationNode): readonly Entry[] {
  const url = childOf(childOf(childOf(config, "coreos"), "etcd"), "discovery");
  if (url.kind === "nothing" || isRequestUrl(textOf(url))) return [];
  return [{ line: url.line, severity: "warning", message: "discovery URL is not valid" }];
}

function encodings(config: ValidationNode): readonly Entry[] {
  return childOf(config, "write_files").children.flatMap((file): Entry[] => {
    const encoding = childOf(file, "encoding");
    if (encoding.kind === "nothing") return [];
    const content = childOf(file, "content");
    const decoded = decodeContent(bytesOf(textOf(content), content.binary), textOf(encoding));
    if ("bytes" in decoded) return [];
    const message = `content cannot be decoded as ${goQuoted(textOf(encoding))}`;
    return [{ line: content.line, severity: "error", message }];
  });
}

function structure(node: ValidationNode, schema: Schema): readonly Entry[] {
  if (!fits(node.kind, schema)) {
    const message = `incorrect type for ${goQuoted(node.name)} (want ${typeName(schema)})`;
    return [{ line: node.line, severity: "warning", message }];
  }
  if (schema.kind === "list") return node.children.flatMap((child) => structure(child, schema.element));
  if (schema.kind !== "struct") return [];
  return node.children.flatMap((child): readonly Entry[] => {
    const known = Object.hasOwn(schema.keys, child.name) ? schema.keys[child.name] : undefined;
    const warn = (message: string): Entry => ({ line: child.line, severity: "warning", message });
    if (known === undefined) return [warn(`unrecognized key ${goQuoted(child.name)}`)];
    const { deprecated } = known;
    const old =
      deprecated === undefined ? [] : [warn(`deprecated key ${goQuoted(child.name)} (${deprecated})`)];
    return [...old, ...structure(child, known)];
  });
}

function fits(kind: NodeKind, schema: Schema): boolean {
  switch (schema.kind) {
    case "string":
      return kind === "string" || kind === "int" || kind === "float64" || kind === "bool";
    case "struct":
      return kind === "map";
    case "float64":
      return kind === "float64" || kind === "int";
    default:
      return kind === schema.kind;
  }
}

function values(node: ValidationNode, schema: Schema): readonly Entry[] {
  if (schema.kind === "list") return node.children.flatMap((child) => values(child, schema.element));
  if (schema.kind === "struct") {
    return node.children.flatMap((child): readonly Entry[] => {
      const known = Object.hasOwn(schema.keys, child.name) ? schema.keys[child.name] : undefined;
      return known === undefined ? [] : values(child, known);
    });
  }
  // The original fails on a list, a map and nothing where a rule waits; the wrong type is told above.
  if (!fits(node.kind, schema) || isZero(node) || isValid(schema, node.text)) return [];
  return [{ line: node.line, severity: "error", message: `invalid value ${node.text}` }];
}

function isZero({ kind, text }: ValidationNode): boolean {
  return (
    text === "" ||
    (kind === "bool" && text === "false") ||
    ((kind === "int" || kind === "float64") && text === "0")
  );
}

function readOnlyPaths(config: ValidationNode): readonly Entry[] {
  return childOf(config, "write_files").children.flatMap((file): Entry[] => {
    const path = childOf(file, "path");
    if (path.kind === "nothing") return [];
    const folder = cleanPath(textOf(path).replace(/[^/]*$/, ""));
    if (!folder.startsWith("/usr")) return [];
    return [
      { line: path.line, severity: "error", message: "file cannot be written to a read-only filesystem" },
    ];
  });
}

function misplaced(config: ValidationNode): readonly Entry[] {
  const files = childOf(childOf(config, "coreos"), "write_files");
  if (files.kind === "nothing") return [];
  return [{ line: files.line, severity: "info", message: "write_files doesn't belong under coreos" }];
}
