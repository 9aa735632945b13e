const nsPerSecond = 1_000_000_000n;
const nsPerMs = 1_000_000n;

/** etcd takes instants before 2000-01-01T00:00:00Z (here in ms) for "no time to live". */
const firstDeadlineMs = 946_684_800_000;

const msPerDay = 86_400_000;

/**
 * When a node that is changed now and lives on for `ttlSeconds` ends, in ms since 1970. As in etcd both the length and
 * the instant are 64-bit counts of nanoseconds that wrap, so very long lives are over at once.
 */
export function changedDeadline(nowMs: number, ttlSeconds: bigint): number {
  const length = BigInt.asIntN(64, ttlSeconds * nsPerSecond);
  const instant = BigInt.asIntN(64, BigInt(Math.floor(nowMs)) * nsPerMs + length);
  return Number(instant / nsPerMs);
}

/** The same for a new node: there an instant before the year 2000 counts as none at all. */
export function deadlineAfter(nowMs: number, ttlSeconds: bigint): number | undefined {
  const deadlineMs = changedDeadline(nowMs, ttlSeconds);
  return deadlineMs < firstDeadlineMs ? undefined : deadlineMs;
}

/** Whole seconds until a deadline, rounded up; negative when it is overdue. */
export function secondsLeft(deadlineMs: number, nowMs: number): number {
  // Adding 0 turns -0, which JSON would not show, into 0.
  return Math.ceil((deadlineMs - nowMs) / 1000) + 0;
}

/** An instant as RFC 3339 text in UTC, trailing zeros of the fraction left out, as Go prints it. */
export function instantText(ms: number): string {
  const day = Math.floor(ms / msPerDay);
  const inDay = ms - day * msPerDay;
  const seconds = Math.floor(inDay / 1000);
  const fraction = digits(inDay % 1000, 3).replace(/0+$/, "");
  const time = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const clock = time.map((part) => digits(part, 2)).join(":");
  return `${dateText(day)}T${clock}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** The Gregorian date of a day counted from 1970-01-01; years are counted from March, so that leap days come last. */
function dateText(day: number): string {
  const sinceMarch = day + 719_468;
  const era = Math.floor(sinceMarch / 146_097);
  const dayOfEra = sinceMarch - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfMonth = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(dayOfMonth, 2)}`;
}

function digits(number: number, width: number): string {
  return String(number).padStart(width, "0");
}

const instant = /^(-?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?Z$/;

/** What `instantText` made a text of, in ms since 1970; throws when it is none. */
export function instantOf(text: string): number {
  const [whole, year, month, date, hours, minutes, seconds, fraction = ""] = instant.exec(text) ?? [];
  if (whole === undefined) throw new SyntaxError(`"${text}" is not an instant`);
  const day = dayOf(Number(year), Number(month), Number(date));
  const inDay = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return day * msPerDay + inDay * 1000 + Number(fraction.padEnd(3, "0"));
}

/** Days from 1970-01-01 to a Gregorian date; years are counted from March, so that leap days come last. */
function dayOf(year: number, month: number, date: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + date - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
