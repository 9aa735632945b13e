import { Fault } from "../lib/fault.ts";

/** Bytes a request body may have; a unit of that size is far above what systemd reads. */
export const bodyLimitBytes = 1024 * 1024;

const jsonType = { "Content-Type": "application/json" } as const;

/** A value as JSON with status 200. */
export function answer(value: unknown): Response {
  return new Response(JSON.stringify(value), { status: 200, headers: jsonType });
}

/** A text with status 200. */
export function answerText(text: string, contentType: string): Response {
  return new Response(text, { status: 200, headers: { "Content-Type": contentType } });
}

/** An error as fleet v1.0.0 answers it: `{"error":{"code":404,"message":"unit does not exist"}}`. */
export function refuse(code: number, message: string): Response {
  return new Response(JSON.stringify({ error: { code, message } }), { status: code, headers: jsonType });
}

/** An answer without a body. */
export function done(status: 201 | 204): Response {
  return new Response(null, { status });
}

/** The header that tells what is odd about a unit that was taken: a list of texts as JSON in ASCII. */
export const warningsHeader = "Argosy-Warnings";
/** Warnings that one answer tells; a header has to stay small. */
const mostWarnings = 10;
const mostWarningCharacters = 300;

/** Adds what a client should hear about what it wrote. */
export function withWarnings(response: Response, warnings: readonly string[]): Response {
  if (warnings.length === 0) return response;
  const shown = warnings.slice(0, mostWarnings).map((warning) => warning.slice(0, mostWarningCharacters));
  if (warnings.length > mostWarnings) shown.push(`and ${warnings.length - mostWarnings} more`);
  const ascii = JSON.stringify(shown).replaceAll(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  response.headers.set(warningsHeader, ascii);
  return response;
}

/** The answer to a write of metadata, which carries a content type although it has no body (fleet v1.0.0). */
export function doneWithType(): Response {
  return new Response(null, { status: 204, headers: jsonType });
}

/** Status and message for a failure of the registry or the store. */
export function refuseFault(fault: Fault): Response {
  switch (fault.code) {
    case "unit-missing":
      return refuse(404, "unit does not exist");
    case "overtaken":
    case "unit-changed":
    case "unit-exists":
      return refuse(409, fault.message);
    case "too-many-changes":
      return refuse(400, fault.message);
    case "store-too-large":
      return refuse(413, fault.message);
    case "registry-unavailable":
      return refuseNotReady();
    default:
      return refuse(fault.code.startsWith("store-") ? 503 : 500, fault.message);
  }
}

/** While nothing is known about the cluster; the sentence is what scripts of fleet v1.0.0 look for. */
export function refuseNotReady(): Response {
  return refuse(503, "fleet server unable to communicate with etcd");
}

/** Reads a body of up to `bodyLimitBytes`; Fault `body-too-large` above it, without taking more of it in. */
export async function bodyText(request: Request): Promise<string> {
  const announced = request.headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > bodyLimitBytes) throw bodyTooLarge();
    return await request.text();
  }
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  const reader = request.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (piece?.value === undefined) return text + decoder.decode();
    size += piece.value.length;
    if (size > bodyLimitBytes) throw bodyTooLarge();
    text += decoder.decode(piece.value, { stream: true });
  }
}

function bodyTooLarge(): Fault {
  return new Fault(
    "body-too-large",
    `the request body is larger than ${bodyLimitBytes} bytes; send a smaller unit`,
  );
}
