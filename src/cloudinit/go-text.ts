/** Texts as Go's standard library prints and reads them, because the original's messages and files show them. */

/**
 * A number as Go prints it with the fewest digits that mean the same.
 * @param exponentFrom the decimal exponent from which it is written `1e+NN`: 21 for `%v`, 6 for `%g` of few digits
 */
export function goFloat(value: number, exponentFrom: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", power = "0"] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= exponentFrom) {
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const digits = mantissa.replace(/[-.]/g, "");
  const sign = value < 0 ? "-" : "";
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return `${sign}${digits.padEnd(exponent + 1, "0")}`;
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const valueOf = new Map(Array.from(alphabet, (letter, value) => [letter.charCodeAt(0), value]));

/**
 * The bytes of base64 text in the standard alphabet with padding; line ends do not count.
 * @returns or the place of the first byte that does not belong there
 */
export function fromBase64(text: Uint8Array): { readonly bytes: Uint8Array } | { readonly badByte: number } {
  const out = new Uint8Array(Math.ceil(text.length / 4) * 3);
  let length = 0;
  let group = 0;
  let count = 0;
  let at = 0;
  for (; at < text.length; at++) {
    const byte = text[at] ?? 0;
    if (byte === 10 || byte === 13) continue;
    if (byte === 61) break;
    const value = valueOf.get(byte);
    if (value === undefined) return { badByte: at };
    group = group * 64 + value;
    count++;
    if (count === 4) {
      out.set([group >> 16, (group >> 8) & 255, group & 255], length);
      length += 3;
      group = 0;
      count = 0;
    }
  }
  if (at === text.length) return count === 0 ? { bytes: out.subarray(0, length) } : { badByte: at };
  if (count < 2) return { badByte: at };
  const padding = at;
  for (let wanted = 4 - count; at < text.length; at++) {
    const byte = text[at];
    if (byte === 10 || byte === 13) continue;
    if (byte !== 61 || wanted === 0) return { badByte: at };
    wanted--;
    if (wanted === 0 && count === 2) out[length] = group >> 4;
  }
  const ends = text.subarray(padding).filter((byte) => byte === 61).length;
  if (ends !== 4 - count) return { badByte: text.length };
  if (count === 2) return { bytes: out.subarray(0, length + 1) };
  out.set([group >> 10, (group >> 2) & 255], length);
  return { bytes: out.subarray(0, length + 2) };
}
