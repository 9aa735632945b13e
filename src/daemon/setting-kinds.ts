import type { Setting } from "./settings.ts";

/** Where a setting comes from and what it is when nobody sets it. */
type Place = Omit<Setting<unknown>, "parse">;

/** Any text. */
export function text(place: Place): Setting<string> {
  return { ...place, parse: (value) => value };
}

/** Another kind, or undefined where nothing is said. */
export function optional<Value>(setting: Setting<Value>): Setting<Value | undefined> {
  return { ...setting, parse: (value) => (value === "" ? undefined : setting.parse(value)) };
}

/** true or false, in the forms that Go's strconv.ParseBool takes, as fleet v1.0.0 does. */
export function truth(place: Place): Setting<boolean> {
  return {
    ...place,
    parse(value) {
      if (/^(1|t|true)$/i.test(value)) return true;
      if (/^(0|f|false)$/i.test(value)) return false;
      throw new RangeError("true or false");
    },
  };
}

/** A whole number from `least` to `most`. */
export function whole(place: Place, least: number, most: number): Setting<number> {
  return {
    ...place,
    parse(value) {
      const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= least && number <= most) return number;
      throw new RangeError(`a whole number from ${least} to ${most}`);
    },
  };
}

/** A file's or folder's place from the root on. */
export function absolutePath(place: Place): Setting<string> {
  return {
    ...place,
    parse(value) {
      if (/^\/[^\0]*$/.test(value)) return value;
      throw new RangeError("an absolute path");
    },
  };
}

/** Seconds, with fractions and exponents as Go prints and reads them (`0.5`, `1e+06`); the value is in milliseconds. */
export function seconds(place: Place): Setting<number> {
  return {
    ...place,
    parse(value) {
      const isNumber = /^\+?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,2})?$/i.test(value);
      if (isNumber) return Number(value) * 1000;
      throw new RangeError("a number of seconds, such as 1.0");
    },
  };
}

const unitMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** A length of time as Go's time.ParseDuration takes it (`30s`, `1m30s`); the value is in milliseconds and above 0. */
export function duration(place: Place): Setting<number> {
  return {
    ...place,
    parse(value) {
      const pieces = [...value.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy)];
      const complete = pieces.reduce((length, [piece]) => length + piece.length, 0) === value.length;
      const ms = pieces.reduce(
        (sum, [, amount, unit]) => sum + Number(amount) * unitMs[unit as keyof typeof unitMs],
        0,
      );
      if (complete && ms > 0) return ms;
      throw new RangeError("a length of time with its unit, such as 10s or 1m30s");
    },
  };
}

/** A comma-separated list; fleet v1.0.0 also takes the form `["a", "b"]`. */
export function list(place: Place): Setting<readonly string[]> {
  return { ...place, parse: listItems };
}

/** As `addresses`, and none when it is empty. */
export function addressesIfAny(place: Place): Setting<readonly string[]> {
  const { parse } = addresses(place);
  return { ...place, parse: (value) => (value.trim() === "" ? [] : parse(value)) };
}

/** A list of http or https addresses with at least one. */
export function addresses(place: Place): Setting<readonly string[]> {
  return {
    ...place,
    parse(value) {
      const items = listItems(value);
      const good = items.every((item) => /^https?:$/.test(URL.parse(item)?.protocol ?? ""));
      if (good && items.length > 0) return items;
      throw new RangeError("a comma-separated list of addresses such as http://127.0.0.1:2379");
    },
  };
}

/**
 * `name=value` pairs with commas between, as fleet v1.0.0 takes metadata: blanks around both are dropped, a pair is
 * split at its first `=`, one without `=` is dropped, the last of a repeated name counts.
 */
export function pairs(place: Place): Setting<Readonly<Record<string, string>>> {
  return {
    ...place,
    parse(value) {
      const found = value
        .split(",")
        .map((pair) => /^([^=]*)=(.*)$/s.exec(pair))
        .filter((match) => match !== null)
        .map(([, name = "", meaning = ""]) => [name.trim(), meaning.trim()] as const);
      return Object.fromEntries(found);
    },
  };
}

function listItems(value: string): readonly string[] {
  return value
    .replace(/^\s*\[(.*)\]\s*$/s, "$1")
    .split(",")
    .map((item) => item.trim().replace(/^"(.*)"$/s, "$1"))
    .filter((item) => item !== "");
}
