const escapes: ReadonlyMap<string, string> = new Map([
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
  ['"', "&#34;"],
  ["'", "&#39;"],
]);

/** The page that comes with a redirect, as Go's http.Redirect writes it. */
export function movedPage(location: string): string {
  const link = location.replaceAll(/[&<>"']/g, (character) => escapes.get(character) ?? character);
  return `<a href="${link}">Moved Permanently</a>.\n\n`;
}
