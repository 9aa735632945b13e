import type { KeysError } from "./errors.ts";
import type { KeysEvent } from "./model.ts";

/** Many watchers of one key send the same line. */
const eventTexts = new WeakMap<KeysEvent, string>();

/** An event or an answer as one line of JSON, with the newline. */
export function eventText(event: KeysEvent): string {
  let text = eventTexts.get(event);
  if (text === undefined) {
    text = `${goJson(event)}\n`;
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

/** JSON as Go's encoder writes it: fields in order, no blanks, and what is special in HTML as `\u` escapes. */
function goJson(value: object): string {
  return JSON.stringify(value).replaceAll(/\\.|[<>&\u2028\u2029]/g, (found) => {
    if (found === "\\b") return "\\u0008";
    if (found === "\\f") return "\\u000c";
    return found.startsWith("\\") ? found : `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
