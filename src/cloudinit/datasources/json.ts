import { Fault } from "../../lib/fault.ts";

/** JSON of a datasource: any part may be missing. */
export class Json {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  /** @throws Fault `bad-metadata`, with Go's words for a text that ends too early */
  static parse(text: string): Json {
    try {
      return new Json(JSON.parse(text));
    } catch (error) {
      const message = error instanceof Error ? error.message : "";
      const at = /at position (\d+)/.exec(message)?.[1];
      const ends =
        at === undefined ? /end of JSON input/i.test(message) : Number(at) >= text.trimEnd().length;
      const sentence = ends
        ? "unexpected end of JSON input"
        : `invalid character ${JSON.stringify(text[Number(at ?? 0)] ?? "")} in JSON`;
      throw new Fault("bad-metadata", sentence, { cause: error });
    }
  }

  get(key: string): Json {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return new Json(undefined);
    return new Json(Object.entries(value).find(([name]) => name === key)?.[1]);
  }

  items(): readonly Json[] {
    return Array.isArray(this.#value) ? this.#value.map((item: unknown) => new Json(item)) : [];
  }

  entries(): readonly (readonly [string, Json])[] {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
    return Object.entries(value).map(([key, each]: [string, unknown]) => [key, new Json(each)]);
  }

  text(): string | undefined {
    return typeof this.#value === "string" && this.#value !== "" ? this.#value : undefined;
  }

  number(): number | undefined {
    return typeof this.#value === "number" ? this.#value : undefined;
  }

  /** As it was parsed. */
  value(): unknown {
    return this.#value;
  }

  isTrue(): boolean {
    return this.#value === true;
  }
}

/** Drops what is undefined, so that optional members stay away. */
export function present<Value>(values: Readonly<Record<string, Value | undefined>>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}
