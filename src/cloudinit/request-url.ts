/** Whether a text is an absolute URL or path, as Go's url.ParseRequestURI takes it. */
export function isRequestUrl(text: string): boolean {
  if (text === "" || Array.from(text).some((letter) => letter < " " || letter === "\u007f")) return false;
  if (text === "*") return true;
  if (text.startsWith(":")) return false;
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*(?=:)/.exec(text)?.[0];
  const rest = scheme === undefined ? text : text.slice(scheme.length + 1);
  if (!rest.startsWith("/")) return scheme !== undefined;
  const [path = ""] = rest.split("?");
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return false;
  const authority = scheme === undefined ? undefined : /^\/\/([^/]*)/.exec(path)?.[1];
  return authority === undefined || isAuthority(authority);
}

function isAuthority(authority: string): boolean {
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  if (/[ "<>\\^`{|}]/.test(host)) return false;
  if (host.startsWith("[")) return /^\[[^\]]*\](:\d*)?$/.test(host);
  return /^[^:]*(:\d*)?$/.test(host);
}
