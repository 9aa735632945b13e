import { isRecord, readJson } from "./api-unit-rules.ts";
import type { UnitName } from "./model.ts";

/** What a request for changes asks: which of these units look different after a revision; 0 stands for all of them, now. */
export interface ChangesRequest {
  readonly units: readonly UnitName[];
  readonly after: number;
}

export interface Refusal {
  readonly problem: string;
}

/** Units one request for changes can name. */
const mostUnits = 10_000;

/** Reads `?after=REVISION&unit=NAME&unit=NAME`. */
export function readChangesQuery(query: URLSearchParams): ChangesRequest | Refusal {
  const after = query.get("after") ?? "0";
  return checked(query.getAll("unit"), /^\d{1,15}$/.test(after) ? Number(after) : undefined);
}

/** Reads `{"after":REVISION,"units":[NAME,...]}`, for more names than a URL can hold. */
export function readChangesBody(body: string): ChangesRequest | Refusal {
  const read = readJson(body);
  if ("problem" in read) return { problem: `unable to decode body: ${read.problem}` };
  if (!isRecord(read.json)) return { problem: "the body must be a JSON object" };
  const { units, after = 0 } = read.json;
  const names = Array.isArray(units) ? (units as readonly unknown[]) : [];
  if (!names.every((name) => typeof name === "string"))
    return { problem: "each unit must be named by a text" };
  return checked(names, typeof after === "number" ? after : undefined);
}

function checked(units: readonly UnitName[], after: number | undefined): ChangesRequest | Refusal {
  if (after === undefined || !Number.isSafeInteger(after) || after < 0) {
    return { problem: "after must be a revision, or 0 for what is so now" };
  }
  if (units.length === 0 || units.length > mostUnits)
    return { problem: `name between 1 and ${mostUnits} units` };
  return { units, after };
}
