import type { KeysError } from "./errors.ts";
import { goJson } from "./go-json.ts";
import type { KeysEvent } from "./model.ts";

/** Many watchers of one key send the same line. */
const eventTexts = new WeakMap<KeysEvent, string>();

/** An answer as one line of JSON, with the newline. */
export function eventText(event: KeysEvent): string {
  return `${goJson(event)}\n`;
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

/** The answer to `noValueOnSuccess=true`: only what was done. */
export function actionText(event: KeysEvent): string {
  return `${goJson({ action: event.action })}\n`;
}

/** The body of an error, with the newline. */
export function errorText(error: KeysError): string {
  const { errorCode, message, cause, index } = error;
  return `${goJson({ errorCode, message, ...(cause !== "" && { cause }), index })}\n`;
}
