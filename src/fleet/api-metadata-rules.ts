import { fieldOf, isRecord, readJson } from "./api-unit-rules.ts";
import type { MetadataChange } from "./registry.ts";

/**
 * Reads the body of `PATCH /machines` (fleet v1.0.0 API): all operations or, for the first bad one, its problem.
 * The value stands in `value`, as documented, or in `value` of an object in `value`, as fleet v1.0.0 took it.
 */
export function readMetadataChanges(body: string): readonly MetadataChange[] | { readonly problem: string } {
  const read = readJson(body);
  if ("problem" in read) return read;
  // To Go's decoder null is a list without operations.
  if (read.json === null) return [];
  if (!Array.isArray(read.json)) return { problem: "the body must be a list of operations" };
  const changes: MetadataChange[] = [];
  for (const operation of read.json as readonly unknown[]) {
    const change = readOperation(operation);
    if ("problem" in change) return change;
    changes.push(change);
  }
  return changes;
}

function readOperation(operation: unknown): MetadataChange | { readonly problem: string } {
  const fields = operation ?? {};
  if (!isRecord(fields)) return { problem: "each operation must be a JSON object" };
  const op = fieldOf(fields, "op");
  if (op !== "add" && op !== "replace" && op !== "remove") {
    return { problem: "invalid op: expect add, remove, or replace" };
  }
  const path = fieldOf(fields, "path");
  const [, machine, key] =
    /^\/([^/]+)\/metadata\/([A-Za-z0-9_.-]+)$/.exec(typeof path === "string" ? path : "") ?? [];
  if (machine === undefined || key === undefined) return { problem: "machine metadata path invalid" };
  if (op === "remove") return { machine, key, value: undefined };
  const given = fieldOf(fields, "value");
  const value = isRecord(given) ? fieldOf(given, "value") : given;
  if (typeof value !== "string" || value === "") {
    return { problem: "invalid value: add and replace require a value" };
  }
  return { machine, key, value: value.toWellFormed() };
}
