import { firstJson, goJson } from "./go-json.ts";

/** An answer of an endpoint besides the keys. */
export interface PlainAnswer {
  readonly status: number;
  /** The content type; undefined: none is sent. */
  readonly type: string | undefined;
  readonly text: string;
}

/** A request to an endpoint besides the keys, its body read. */
export interface PlainRequest {
  readonly method: string;
  /** What follows the endpoint's own path, without the slash between; empty: nothing. */
  readonly below: string;
  /** The header Content-Type, empty when there is none. */
  readonly contentType: string;
  readonly body: string;
  /** The header of this name. */
  readonly authorization: string | undefined;
}

export const plainText = "text/plain; charset=utf-8";

/** The header that Go's http.Error sets beside a sentence: browsers are not to guess what it is. */
export const unsniffed = ["X-Content-Type-Options", "nosniff"] as const;

/** JSON, without a newline behind it, as etcd answers outside of the keys. */
export function json(status: number, content: object): PlainAnswer {
  return { status, type: "application/json", text: goJson(content) };
}

/** JSON with the newline that Go's encoder sets, as members and users are told. */
export function jsonLine(status: number, content: object): PlainAnswer {
  return { status, type: "application/json", text: `${goJson(content)}\n` };
}

/** A refusal in the form that etcd gives it outside of the keys. */
export function message(status: number, text: string): PlainAnswer {
  return json(status, { message: text });
}

/** Success without a body. */
export const nothing: PlainAnswer = { status: 204, type: undefined, text: "" };

/** What a JSON text holds if that is an object, its names in small letters, since Go takes them in any case. */
export function readObject(text: string): ReadonlyMap<string, unknown> | undefined {
  const content = firstJson(text)?.value;
  if (typeof content !== "object" || content === null || Array.isArray(content)) return undefined;
  return new Map(Object.entries(content).map(([name, value]) => [name.toLowerCase(), value]));
}
