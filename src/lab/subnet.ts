import { Fault } from "../lib/fault.ts";
import { hash32 } from "./layout.ts";

/**
 * Picks a /24 inside 10.0.0.0/8 that overlaps nothing in `taken`. The search begins at a place that depends on the
 * lab's name, so a lab made again usually has the addresses it had.
 * @param taken destinations as `ip route` prints them: `10.1.2.0/24`, `10.1.2.3`, `default`
 * @returns the first three numbers, such as `10.61.7`
 */
export function chooseNetwork(lab: string, taken: readonly string[]): string {
  const ranges = taken.flatMap((destination) => rangeOf(destination) ?? []);
  const start = hash32(lab) % candidates;
  for (let step = 0; step < candidates; step += 1) {
    const index = (start + step) % candidates;
    const network = `10.${1 + Math.floor(index / 256)}.${index % 256}`;
    const range = rangeOf(`${network}.0/24`);
    if (range !== undefined && !ranges.some((other) => overlaps(range, other))) return network;
  }
  throw new Fault(
    "no-free-network",
    "The lab found no free network: routes of this machine take all of 10.0.0.0/8. Remove one of them or another lab.",
  );
}

/** 10.1.0.0/24 up to 10.254.255.0/24. */
const candidates = 254 * 256;

interface AddressRange {
  readonly first: number;
  readonly last: number;
}

/** The addresses of an IPv4 destination; undefined for `default` and for anything that is not IPv4. */
function rangeOf(destination: string): AddressRange | undefined {
  const [address = "", bits = "32"] = destination.split("/");
  const parts = address.split(".").map(Number);
  const length = Number(bits);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return undefined;
  if (!Number.isInteger(length) || length < 1 || length > 32) return undefined;
  const number = parts.reduce((sum, part) => sum * 256 + part, 0);
  const size = 2 ** (32 - length);
  const first = number - (number % size);
  return { first, last: first + size - 1 };
}

function overlaps(one: AddressRange, other: AddressRange): boolean {
  return one.first <= other.last && other.first <= one.last;
}
