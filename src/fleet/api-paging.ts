/** One page of a list, and the token of the next page when there is one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken?: string;
}

/** How many entries a page has unless the setting `token_limit` says otherwise (fleet v1.0.0 API). */
export const defaultPageLimit = 100;

/** The header in which a client of ours says how many entries of a list it takes at once. Others do not know it. */
export const pageLimitHeader = "Argosy-Page-Limit";

/** The most entries that a page has at a client's wish. */
export const mostPageLimit = 1_000;

/** The highest page a token can name; 16 bits. */
const lastPage = 0xffff;

/**
 * How many entries a page has for a request: more than usual when it wants that, and never fewer.
 * @param wish the header, if there is one; what is no number is no wish
 */
export function pageLimitFor(wish: string | undefined, usual: number): number {
  if (wish === undefined || !/^\d{1,5}$/.test(wish)) return usual;
  return Math.max(usual, Math.min(Number(wish), mostPageLimit));
}

/**
 * The token of a page, in the bytes of fleet v1.0.0: limit and page, 16 bits each, little-endian, in padded URL-safe
 * base64.
 * @param page counts from 1
 */
export function pageToken(limit: number, page: number): string {
  const bytes = [limit & 0xff, limit >> 8, page & 0xff, page >> 8];
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}

/**
 * Cuts the page out of a list that a request asks for.
 * @param tokens each value of the query parameter `nextPageToken`
 */
export function pageOf<Item>(
  items: readonly Item[],
  tokens: readonly string[],
  limit: number,
): Page<Item> | { readonly problem: string } {
  const page = pageNumber(tokens, limit);
  if (typeof page === "object") return page;
  const end = page * limit;
  const more = end < items.length && page < lastPage;
  return {
    items: items.slice(end - limit, end),
    ...(more ? { nextPageToken: pageToken(limit, page + 1) } : {}),
  };
}

function pageNumber(tokens: readonly string[], limit: number): number | { readonly problem: string } {
  const [token] = tokens;
  if (token === undefined) return 1;
  if (tokens.length > 1) return { problem: "too many values for page token" };
  const bytes = decodeBase64(token);
  if ("problem" in bytes) return bytes;
  if (bytes.length === 0) return { problem: "EOF" };
  const [limitLow, limitHigh, pageLow, pageHigh] = bytes;
  if (limitLow === undefined || limitHigh === undefined || pageLow === undefined || pageHigh === undefined) {
    return { problem: "unexpected EOF" };
  }
  if (limitLow + limitHigh * 256 !== limit) return { problem: `token limit must be ${limit}` };
  const page = pageLow + pageHigh * 256;
  return page === 0 ? { problem: "token page must be greater than zero" } : page;
}

function bad(at: number): { readonly problem: string } {
  return { problem: `illegal base64 data at input byte ${at}` };
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Padded URL-safe base64, with the message and the place that Go's decoder gives for bad text; line ends mean nothing. */
function decodeBase64(text: string): readonly number[] | { readonly problem: string } {
  const bytes: number[] = [];
  let group: number[] = [];
  let at = 0;
  const skipLineEnds = (): void => {
    while (text[at] === "\n" || text[at] === "\r") at++;
  };
  for (skipLineEnds(); at < text.length; skipLineEnds()) {
    const bits = alphabet.indexOf(text.charAt(at));
    if (bits < 0) break;
    at++;
    group.push(bits);
    if (group.length < 4) continue;
    bytes.push(...bytesOf(group));
    group = [];
  }
  if (at === text.length) return group.length === 0 ? bytes : bad(at - group.length);
  if (text[at] !== "=" || group.length < 2) return bad(at);
  const padding = at;
  at++;
  skipLineEnds();
  if (group.length === 2) {
    if (at === text.length) return bad(at);
    if (text[at] !== "=") return bad(padding);
    at++;
    skipLineEnds();
  }
  if (at < text.length) return bad(at);
  return [...bytes, ...bytesOf(group).slice(0, group.length - 1)];
}

function bytesOf([a = 0, b = 0, c = 0, d = 0]: readonly number[]): readonly number[] {
  return [(a << 2) | (b >> 4), ((b & 15) << 4) | (c >> 2), ((c & 3) << 6) | d];
}
