import { plainText, unsniffed } from "./plain-answer.ts";
import { routeOf } from "./route.ts";

/** An answer to what could not be read as a request; the connection ends with it. */
export interface LastAnswer {
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Whether at least its method and path could be read. */
  readonly isRead: boolean;
}

const sentenceHeaders = { "Content-Type": plainText, ...Object.fromEntries([unsniffed]) };

const badRequest: LastAnswer = {
  isRead: false,
  status: "400 Bad Request",
  headers: { "Content-Type": plainText },
  text: "400 Bad Request",
};

/**
 * What etcd says to bytes that Node's parser refuses: mostly 400, but to a method that nobody knows what it says to any
 * other method that a path does not take.
 * @param code Node's name of the problem
 * @param packet the bytes, a character for each
 */
export function answerUnreadable(code: string | undefined, packet: string): LastAnswer {
  if (code === "HPE_HEADER_OVERFLOW") {
    const status = "431 Request Header Fields Too Large";
    return { ...badRequest, status, text: status };
  }
  const [, method, target] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP\/1\.[01]\r\n/.exec(packet) ?? [];
  if (code !== "HPE_INVALID_METHOD" || method === undefined || target === undefined) return badRequest;
  const route = routeOf(method, target);
  switch (route.to) {
    case "wrong-method":
      return {
        isRead: true,
        status: "405 Method Not Allowed",
        headers: { ...sentenceHeaders, Allow: route.allowed.join(",") },
        text: "Method Not Allowed\n",
      };
    case "nowhere":
      return {
        isRead: true,
        status: "404 Not Found",
        headers: sentenceHeaders,
        text: "404 page not found\n",
      };
    case "elsewhere":
      return {
        isRead: true,
        status: "301 Moved Permanently",
        headers: { Location: route.location },
        text: "",
      };
    default:
      return badRequest;
  }
}

/**
 * A request whose target has bytes above 127, with those escaped and as the last of its connection; undefined when
 * that is not what was wrong with it.
 * @param packet the bytes, a character for each
 */
export function escapedRequest(code: string | undefined, packet: string): string | undefined {
  const [line, method, target, version] =
    /^([A-Z]+) ([!-~\u0080-\u00ff]+) (HTTP\/1\.[01])\r\n/.exec(packet) ?? [];
  if (code !== "HPE_INVALID_URL" || line === undefined || target === undefined) return undefined;
  const escaped = target.replaceAll(
    /[\u0080-\u00ff]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  // Something else is wrong with it, and would be again.
  if (escaped === target) return undefined;
  return `${method} ${escaped} ${version}\r\nConnection: close\r\n${packet.slice(line.length)}`;
}
