import fc from "fast-check";
import {
  contentTypes,
  escaped,
  keyPath,
  oddForm,
  oneOf,
  type Parameter,
  type ParameterName,
  wildParameter,
} from "./parts.ts";
import type { Step } from "./step.ts";

function encodedPairs(all: readonly Parameter[], inBody: boolean): string {
  return all
    .filter(([, , place]) => place === inBody)
    .map(([name, text]) => `${escaped(name)}=${/^\{S[+-]\d+\}$/.test(text) ? text : escaped(text)}`)
    .join("&");
}

interface Shape {
  readonly method: string;
  readonly path: string;
  readonly given: readonly Parameter[];
  readonly wild: readonly Parameter[];
  readonly odd: string;
  readonly oddInBody: boolean;
  readonly contentType: string | undefined;
  readonly chunked: boolean;
}

/** Expiry by chance would come at another moment on each server; such lifetimes are for expiring steps. */
function expiresSoon({ given, wild, odd }: Shape): boolean {
  const texts = [...given, ...wild].filter(([name]) => name === "ttl").map(([, text]) => text);
  return (
    odd.includes("ttl") ||
    texts.some((text) => /^(0*[0-9]|18446744073709551615|9223372036854775808|\{.*|1_0)$/.test(text))
  );
}

function stepOf(shape: Shape): Step {
  const all = [...shape.given, ...shape.wild];
  const readsBody = shape.method === "PUT" || shape.method === "POST";
  const place = (inBody: boolean): string => {
    const own = readsBody
      ? encodedPairs(all, inBody)
      : inBody
        ? ""
        : [encodedPairs(all, false), encodedPairs(all, true)].filter((text) => text !== "").join("&");
    const odd = shape.odd !== "" && shape.oddInBody === inBody && (readsBody || !inBody) ? shape.odd : "";
    return [own, odd].filter((text) => text !== "").join("&");
  };
  const query = place(false);
  const body = place(true);
  return {
    do: "ask",
    method: shape.method,
    target: query === "" ? shape.path : `${shape.path}?${query}`,
    body,
    contentType: readsBody ? shape.contentType : undefined,
    chunked: readsBody && shape.chunked && body !== "",
  };
}

/** Requests with one method and the parameters that mean something to it, now and then with others. */
function asking(
  method: string,
  meant: fc.Arbitrary<Parameter>,
  weight: number,
  always: readonly ParameterName[] = [],
): { weight: number; arbitrary: fc.Arbitrary<Step> } {
  const given = fc
    .tuple(
      ...always.map((name) => oneOf(name)),
      fc.uniqueArray(meant, { maxLength: 3, selector: ([name]) => name }),
    )
    .map((all) =>
      all.flatMap((one) => (typeof one[0] === "string" ? [one as Parameter] : (one as Parameter[]))),
    );
  const shape: fc.Arbitrary<Shape> = fc.record({
    method: fc.constant(method),
    path: keyPath,
    given,
    wild: seldom(fc.array(wildParameter, { minLength: 1, maxLength: 2 }), [], 10),
    odd: seldom(oddForm, "", 40),
    oddInBody: fc.boolean(),
    contentType: contentTypes,
    chunked: seldom(fc.constant(true), false, 20),
  });
  return { weight, arbitrary: shape.filter((one) => !expiresSoon(one)).map(stepOf) };
}

/** `arbitrary` once in `times`, otherwise `usual`. */
function seldom<Value>(arbitrary: fc.Arbitrary<Value>, usual: Value, times: number): fc.Arbitrary<Value> {
  return fc.oneof({ weight: times - 1, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary });
}

/** Other paths and methods: what is answered without a look at the keys. */
const elsewhere: fc.Arbitrary<Step> = fc
  .tuple(
    fc.constantFrom(
      "GET",
      "HEAD",
      "PUT",
      "POST",
      "DELETE",
      "OPTIONS",
      "PATCH",
      "TRACE",
      "get",
      "FOO",
      "PROPFIND",
    ),
    fc.constantFrom(
      "/",
      "/v2",
      "/v2/",
      "/v2/keysx",
      "/v2/key",
      "/v1/keys/a",
      "/v2/machines/",
      "/v2/leader",
      "/v2/stats",
      "/v2/stats/store/",
      "/v2//keys",
      "/v2/keys//",
      "/v2/keys/a/../b",
      "/v2/keys/..",
      "/../v2/keys",
      "/version/",
      "/version?x=%zz",
      "/nothing?a=b",
      "/v2/keys?a=%zz",
      "/v2/keys/a%",
      "/%76%32/keys/a",
      "//v2/keys/a",
      "/v2/keys/a?wait=maybe",
      "http://127.0.0.1/v2/keys/a",
      "http://127.0.0.1",
    ),
  )
  .map(([method, target]) => ({
    do: "ask",
    method,
    target,
    body: "",
    contentType: undefined,
    chunked: false,
  }));

/** Writes whose lifetime ends within the sequence; waiting for that takes time, so they are few. */
const expiring: fc.Arbitrary<Step> = fc
  .tuple(
    fc.constantFrom("/v2/keys/a", "/v2/keys/a/b", "/v2/keys/_h", "/v2/keys/b/_h"),
    fc.constantFrom(
      "value=1",
      "dir=true",
      "prevExist=true",
      "prevExist=true&refresh=true",
      "refresh=true",
      "prevExist=false&value=2",
      "dir=true&prevExist=true",
    ),
    fc.constantFrom("ttl=0", "ttl=0", "ttl=1", "ttl=18446744073709551615", "ttl=9223372036"),
  )
  .map(([target, body, ttl]) => ({ do: "expire", target, body: `${body}&${ttl}` }));

const asked = [
  asking("PUT", oneOf("value", "value", "ttl", "noValueOnSuccess"), 10),
  asking("PUT", oneOf("dir", "dir", "ttl", "prevExist", "value"), 5),
  asking("PUT", oneOf("value", "ttl", "prevExist", "prevValue", "prevIndex"), 5),
  asking("PUT", oneOf("value", "value", "ttl"), 6, ["prevValue"]),
  asking("PUT", oneOf("value", "value", "ttl"), 4, ["prevIndex"]),
  asking("PUT", oneOf("prevExist", "prevIndex", "prevValue", "dir"), 3, ["refresh", "ttl"]),
  asking("POST", oneOf("value", "ttl", "dir", "noValueOnSuccess"), 3),
  asking("GET", oneOf("recursive", "sorted", "quorum"), 5),
  asking("GET", oneOf("waitIndex", "recursive", "stream"), 7, ["wait"]),
  asking("DELETE", oneOf("recursive", "recursive", "dir"), 7),
  asking("DELETE", oneOf("recursive", "prevIndex"), 2, ["prevValue"]),
  asking("DELETE", oneOf("prevValue"), 1, ["prevIndex"]),
  asking("HEAD", oneOf("recursive", "quorum"), 1),
  asking("OPTIONS", oneOf("recursive"), 1),
  { weight: 1, arbitrary: elsewhere },
];

/** One request by itself. */
export const requests: fc.Arbitrary<Step> = fc.oneof(...asked);

/** Sequences of steps. One of about fifty has steps that wait until keys expire. */
export const sequences: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 49, arbitrary: fc.array(requests, { minLength: 1, maxLength: 20, size: "max" }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.array(requests, { maxLength: 5, size: "max" }),
        expiring,
        fc.array(requests, { maxLength: 4, size: "max" }),
        expiring,
      )
      .map(([before, one, between, other]) => [...before, one, ...between, other]),
  },
);
