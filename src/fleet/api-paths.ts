import { refuse } from "./api-answers.ts";

/**
 * The answer to a request whose path is written in an odd way, as Go's servers give it; undefined for all others. A path with
 * two slashes in a row is sent to the one without, and an escaped slash is a slash, so that no resource has such a path.
 */
export function answerToOddPath(url: string): Response | undefined {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const [path = "", query] = url.slice(start).split(/(\?.*)/s, 2);
  if (path.includes("//")) {
    const Location = path.replaceAll(/\/{2,}/g, "/") + (query ?? "");
    return new Response(null, { status: 301, headers: { Location } });
  }
  return /%2f/i.test(path) ? refuse(404, "") : undefined;
}
