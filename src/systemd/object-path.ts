const unitPrefix = "/org/freedesktop/systemd1/unit/";
const jobPrefix = "/org/freedesktop/systemd1/job/";

/**
 * The unit an object path stands for, or undefined for any other object. systemd writes every byte that is no letter or
 * digit, and a leading digit, as `_` with two hexadecimal digits (systemd's bus_label_escape).
 */
export function unitOfPath(path: string): string | undefined {
  if (!path.startsWith(unitPrefix)) return undefined;
  const label = path.slice(unitPrefix.length);
  return label.replace(/_([0-9a-f]{2})/g, (_whole, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** The object path of a unit; the opposite of `unitOfPath`. */
export function pathOfUnit(name: string): string {
  const label = name.replace(/^[0-9]|[^A-Za-z0-9]/g, (character) => {
    return `_${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return unitPrefix + label;
}

/** The number of a job from its object path, which is what `GetJob` takes. */
export function jobNumber(path: string): number {
  return Number(path.slice(jobPrefix.length));
}
