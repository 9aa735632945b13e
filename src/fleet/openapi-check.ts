import { type Answer, type ApiOperation, apiPaths, type Methods } from "./openapi.ts";
import { type Schema, schemas } from "./openapi-schemas.ts";

/** An answer of the API, read. */
export interface AnswerSeen {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly contentType: string | null;
  /** Undefined for a stream that was not read. */
  readonly body: string | undefined;
}

/**
 * The same handler, which throws when an answer is not as the API is described. Bodies are read whole, but for streams.
 * For tests.
 */
export function asDescribed(handler: Handler): Handler {
  return async (request, remote) => {
    const response = await handler(request, remote);
    const contentType = response.headers.get("content-type");
    const body = contentType === "text/event-stream" ? undefined : await response.clone().text();
    const path = new URL(request.url).pathname;
    const [deviation] = deviations({
      method: request.method,
      path,
      status: response.status,
      contentType,
      body,
    });
    if (deviation !== undefined)
      throw new Error(`the answer is not as openapi.ts describes it: ${deviation}`);
    return response;
  };
}

type Handler = (request: Request, remote?: string) => Promise<Response>;

/** What an answer has that the description of the API does not say, one sentence each; none when they agree. */
export function deviations(seen: AnswerSeen): readonly string[] {
  const { method, path, status, contentType, body } = seen;
  const methods = methodsOf(path.replace(/^\/v1-alpha(?=\/)/, "/fleet/v1").replaceAll(/%2f/gi, "/"));
  const operation = operationOf(methods, method);
  const place = `${method} ${path}: ${status}`;
  if (operation === undefined)
    return checkRefusal(place, seen, methods === undefined ? [404, 405] : [400, 405]);
  const answer = operation.responses[String(status)];
  if (answer === undefined) return [`${place}: the status is not described`];
  return checkAnswer(place, answer, contentType, body);
}

function methodsOf(path: string): Methods | undefined {
  const parts = path.split("/");
  const found = Object.entries(apiPaths).find(([pattern]) => {
    const wanted = pattern.split("/");
    return (
      wanted.length === parts.length &&
      wanted.every((part, at) => (part.startsWith("{") ? parts[at] !== "" : part === parts[at]))
    );
  });
  return found?.[1];
}

function operationOf(methods: Methods | undefined, method: string): ApiOperation | undefined {
  return Object.entries(methods ?? {}).find(([word]) => word.toUpperCase() === method)?.[1];
}

/** A request that is not described is refused like any other. */
function checkRefusal(
  place: string,
  { status, body, method, path }: AnswerSeen,
  codes: readonly number[],
): readonly string[] {
  if (status === 503 || (status === 301 && path.includes("//"))) return [];
  if (!codes.includes(status)) return [`${place}: it is answered without being described`];
  return method === "HEAD" ? [] : checkJson(place, { $ref: "#/components/schemas/Error" }, body);
}

function checkAnswer(
  place: string,
  answer: Answer,
  contentType: string | null,
  body: string | undefined,
): readonly string[] {
  if (answer.content === undefined)
    return body === undefined || body === "" ? [] : [`${place}: a body where none is described`];
  const media = mediaType(contentType);
  const content = Object.entries(answer.content).find(([described]) => mediaType(described) === media)?.[1];
  if (content === undefined)
    return [`${place}: the content type ${contentType ?? "(none)"} is not described`];
  return contentType === "application/json" ? checkJson(place, content.schema, body) : [];
}

/** Case and blanks mean nothing in a content type. */
function mediaType(contentType: string | null): string {
  return (contentType ?? "").toLowerCase().replaceAll(" ", "");
}

function checkJson(place: string, schema: Schema, body: string | undefined): readonly string[] {
  let value: unknown;
  try {
    value = JSON.parse(body ?? "");
  } catch {
    return [`${place}: the body is not JSON`];
  }
  return misfits(schema, value, "body").map((sentence) => `${place}: ${sentence}`);
}

/** Where a value does not fit a schema. */
export function misfits(schema: Schema, value: unknown, at: string): readonly string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice("#/components/schemas/".length);
    const named: Schema | undefined = Object.entries(schemas).find(([key]) => key === name)?.[1];
    return named === undefined ? [`${at}: there is no schema ${name}`] : misfits(named, value, at);
  }
  switch (schema.type) {
    case "string":
      if (typeof value !== "string") return [`${at} is not text`];
      if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at} is ${value}`];
      return schema.pattern === undefined || new RegExp(schema.pattern).test(value)
        ? []
        : [`${at} is ${value}, which does not match ${schema.pattern}`];
    case "integer":
      return Number.isSafeInteger(value) ? [] : [`${at} is not a whole number`];
    case "boolean":
      return typeof value === "boolean" ? [] : [`${at} is neither true nor false`];
    case "array":
      if (!Array.isArray(value)) return [`${at} is not a list`];
      return value.flatMap((item: unknown, index) => misfits(schema.items ?? {}, item, `${at}[${index}]`));
    case "object":
      return misfitsOfObject(schema, value, at);
    default:
      return [];
  }
}

function misfitsOfObject(schema: Schema, value: unknown, at: string): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is not an object`];
  const lacking = (schema.required ?? [])
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${at}.${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, field]: [string, unknown]) => {
    const known = schema.properties?.[name];
    if (known !== undefined) return misfits(known, field, `${at}.${name}`);
    const others = schema.additionalProperties ?? true;
    if (typeof others === "object") return misfits(others, field, `${at}.${name}`);
    return others ? [] : [`${at}.${name} is not described`];
  });
  return [...lacking, ...wrong];
}
