import type { FleetEvent } from "../fleet/events.ts";

/**
 * An event as one line: time, kind, unit, and a sentence's worth of the rest.
 * @param shows leave the unit out where everything is about one
 */
export function eventLine(event: FleetEvent, shows: { readonly unit: boolean } = { unit: true }): string {
  const words = [event.at, event.kind.padEnd(kindWidth)];
  if (shows.unit && event.unit !== undefined) words.push(event.unit);
  words.push(...placeOf(event), ...whatOf(event));
  const who = callerOf(event);
  if (who !== "") words.push(`by ${who}`);
  return words.join(" ").trimEnd();
}

/** The longest name of a kind, so that what follows stands in one column. */
const kindWidth = "decision.unplaced".length;

function placeOf({ kind, machine, from }: FleetEvent): string[] {
  const words: string[] = [];
  if (from !== undefined) words.push(`from ${short(from)}`);
  if (machine !== undefined) {
    const preposition = kind.startsWith("machine.") ? "" : kind === "state.changed" ? "on " : "to ";
    words.push(`${preposition}${short(machine)}`);
  }
  return words;
}

function whatOf({ kind, target, hash, because, reasons, state, metadata, omitted }: FleetEvent): string[] {
  const words: string[] = [];
  if (target !== undefined) words.push(target);
  if (kind === "unit.created" || kind === "unit.changed") words.push(`(${(hash ?? "").slice(0, 7)})`);
  if (state !== undefined) words.push(stateText(state));
  if (metadata !== undefined && Object.keys(metadata).length > 0)
    words.push(
      Object.entries(metadata)
        .map(([key, value]) => (value === "" ? `${key} removed` : `${key}=${value}`))
        .join(" "),
    );
  if (because !== undefined && because !== "") words.push(`(${because})`);
  for (const { machine, why } of reasons ?? [])
    words.push(machine === undefined ? `[${why}]` : `[${short(machine)}: ${why}]`);
  if (omitted !== undefined) words.push(`(${omitted} changes before it left out)`);
  return words;
}

function stateText({ active, sub, load, result, problem }: NonNullable<FleetEvent["state"]>): string {
  const words = [`${active}/${sub}`];
  if (load !== "loaded") words.push(`load ${load}`);
  if (result !== undefined) words.push(result);
  if (problem !== undefined) words.push(problem);
  return words.join(", ");
}

function callerOf({ by, writer, kind }: FleetEvent): string {
  const isClients = kind.startsWith("unit.") || kind === "machine.metadata" || by !== undefined;
  if (!isClients) return "";
  const who = by?.user ?? by?.program ?? "a client";
  return by?.address === undefined ? `${who} at ${short(writer)}` : `${who} from ${by.address}`;
}

function short(id: string): string {
  return id.slice(0, 8);
}
