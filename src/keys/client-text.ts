/** A key as it stands in the path of a request, written as Go's net/url does. */
export function escapePath(path: string): string {
  const escaped = escapeAll(path);
  return escaped.replaceAll(/%(24|26|2B|2C|2F|3A|3B|3D|40)/g, (code) => decodeURIComponent(code));
}

/** Parameters of a query or form: sorted by name, a blank as `+`, written as Go's net/url does. */
export function formText(values: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(values)
    .flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${escapeQuery(name)}=${escapeQuery(value)}`)
    .join("&");
}

/** A text within a query, as Go's url.QueryEscape writes it: a blank as `+`. */
export function escapeQuery(text: string): string {
  return escapeAll(text).replaceAll("%20", "+");
}

/** Everything but letters, digits and `-_.~` as bytes. */
function escapeAll(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** JSON as Go's encoding/json writes it: without `<`, `>` and `&`, so that it can stand in a page. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What is wrong with the URL of a peer, in the words of etcd 3.4; undefined when nothing is. */
export function problemWithPeerUrl(text: string): string | undefined {
  const [, scheme = "", rest = ""] = /^([a-z]+):\/\/(.*)$/is.exec(text.trim()) ?? [];
  if (!["http", "https", "unix", "unixs"].includes(scheme)) {
    return `URL scheme must be http, https, unix, or unixs: ${text}`;
  }
  const [host = ""] = rest.split("/");
  if (!/^(\[[^\]]*\]|[^:]*):[^:]*$/.test(host))
    return `URL address does not have the form "host:port": ${text}`;
  return rest.includes("/") ? `URL must not contain a path: ${text}` : undefined;
}
