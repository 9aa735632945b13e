import { showBytes } from "./bytes.ts";
import type { KeysError } from "./errors.ts";
import { goJson } from "./go-json.ts";
import type { Answer } from "./keyspace.ts";
import type { KeysEvent } from "./model.ts";

/** Many watchers of one key send the same line. */
const eventTexts = new WeakMap<KeysEvent, string>();

/** An event as one line of JSON, with the newline. */
export function eventText(event: KeysEvent): string {
  return `${goJson(event)}\n`;
}

/** A whole answer as one line of JSON. */
export function answerText({ event, text }: Answer): string {
  return text === undefined ? eventText(event) : `${showBytes(text)}\n`;
}

/** The same of an event that many watchers are told. */
export function sharedEventText(event: KeysEvent): string {
  let text = eventTexts.get(event);
  if (text === undefined) {
    text = eventText(event);
    eventTexts.set(event, text);
  }
  return text;
}

/** Bodies of waits that end with an event. */
const eventChunks = new WeakMap<KeysEvent, Buffer>();

/** The whole body of a wait, in chunks (RFC 9112 7.1), when it ends with an event that many watchers are told. */
export function sharedEventChunk(event: KeysEvent): Buffer {
  let chunk = eventChunks.get(event);
  if (chunk === undefined) {
    const text = eventText(event);
    chunk = Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`);
    eventChunks.set(event, chunk);
  }
  return chunk;
}

/** The status of a success: 201 where something is there that was not there before. */
export function statusOfAnswer({ event: { action, prevNode } }: Answer): number {
  return action === "create" || (action === "set" && prevNode === undefined) ? 201 : 200;
}

/** The answer to `noValueOnSuccess=true`: only what was done. */
export function actionText({ event }: Answer): string {
  return `${goJson({ action: event.action })}\n`;
}

/** The body of an error, with the newline. */
export function errorText(error: KeysError): string {
  const { errorCode, message, cause, index } = error;
  return `${goJson({ errorCode, message, ...(cause !== "" && { cause }), index })}\n`;
}
