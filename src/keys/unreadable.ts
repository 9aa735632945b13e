import { plainText } from "./plain-answer.ts";
import { routeOf } from "./route.ts";

/** An answer to what could not be read as a request; the connection ends with it. */
export interface LastAnswer {
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

const badRequest: LastAnswer = {
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
        status: "405 Method Not Allowed",
        headers: { "Content-Type": plainText, Allow: route.allowed.join(",") },
        text: "Method Not Allowed\n",
      };
    case "nowhere":
      return {
        status: "404 Not Found",
        headers: { "Content-Type": plainText },
        text: "404 page not found\n",
      };
    case "elsewhere":
      return { status: "301 Moved Permanently", headers: { Location: route.location }, text: "" };
    default:
      return badRequest;
  }
}
