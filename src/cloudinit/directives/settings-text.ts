import { goFloat } from "../go-text.ts";
import { isText, type TypedStruct } from "../read-config.ts";
import type { StructSchema } from "../schema.ts";

/** The settings of a section that are given, as `VARIABLE=VALUE`, in the order of the schema. */
export function settingLines(section: TypedStruct, schema: StructSchema): readonly string[] {
  return Object.entries(schema.keys).flatMap(([key, each]): string[] => {
    if (!("variable" in each) || each.variable === undefined) return [];
    const value = section.get(key);
    if (isText(value)) return value.text === "" ? [] : [`${each.variable}=${value.text}`];
    if (typeof value === "number") return value === 0 ? [] : [`${each.variable}=${number(value, each.kind)}`];
    return value === true ? [`${each.variable}=true`] : [];
  });
}

function number(value: number, kind: string): string {
  if (kind === "int") return String(BigInt(value));
  // Go's `%g` writes an exponent once it has as many digits as a float32 is good for.
  return goFloat(value, 6);
}
