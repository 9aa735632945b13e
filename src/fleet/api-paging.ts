/** One page of a list, and the token of the next page when there is one. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextPageToken?: string;
}

/** How many entries a page has unless the setting `token_limit` says otherwise (fleet v1.0.0 API). */
export const defaultPageLimit = 100;

/** The highest page a token can name; 16 bits. */
const lastPage = 0xffff;

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

/** Padded URL-safe base64, with the message and the place that Go's decoder gives for bad text. */
function decodeBase64(text: string): readonly number[] | { readonly problem: string } {
  const bytes: number[] = [];
  for (let start = 0; start < text.length; start += 4) {
    const group = text.slice(start, start + 4);
    const letters = group.replace(/=+$/, "");
    for (let index = 0; index < letters.length; index++) {
      if (!alphabet.includes(letters.charAt(index))) return bad(start + index);
    }
    const isLast = start + 4 >= text.length;
    if (group.length < 4) return bad(text.length);
    if (letters.length < 2 || (letters.length < 4 && !isLast)) return bad(start + letters.length);
    const bits = Array.from(group, (letter) => Math.max(0, alphabet.indexOf(letter)));
    const [a = 0, b = 0, c = 0, d = 0] = bits;
    const three = [(a << 2) | (b >> 4), ((b & 15) << 4) | (c >> 2), ((c & 3) << 6) | d];
    bytes.push(...three.slice(0, letters.length - 1));
  }
  return bytes;
}
