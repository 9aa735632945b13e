import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { spacedTable } from "../lib/table.ts";
import { AllGroups, type GroupPicture } from "../locksmith/all-groups.ts";
import { type MachineRecord, RebootBoard } from "../locksmith/reboot-board.ts";
import type { Wish } from "../locksmith/wants.ts";
import { connectKeys, keysFlag } from "./keys-endpoint.ts";
import type { Lease } from "../locksmith/reboot-lock.ts";
import { Zone } from "../locksmith/zone.ts";
import { type RebootTimes, rebootTimes, timesState } from "../locksmith/reboot-times.ts";

/** For all requests of the command. */
const wholeLimitMs = 60_000;

/** What the command asks: the locks, and what machines tell about themselves. */
export interface RebootsAccess {
  readonly groups: AllGroups;
  readonly board: RebootBoard;
}

/** `argosy reboots`: the reboot locks of all groups, and the halt of all of them. */
export function rebootsCommand(access: (call: Call) => RebootsAccess = connect): Command {
  return {
    name: "reboots",
    summary: "Show who may reboot; stop and resume all reboots",
    usage: "[halt [REASON] | resume | window START LENGTH]",
    description:
      "Without an argument, prints the reboot locks of every group: free slots, slots in all, and who holds one, with what " +
      "is left of the lease. halt has every lock of Argosy refused from now on, in all groups, until resume; machines " +
      "that hold a slot keep it. locksmithctl of CoreOS knows nothing of a halt: for its machines, set the slots to 0. " +
      "window tells whether a reboot window as locksmith's settings write it is open now, in this machine's local time, " +
      "and when that changes; it asks no server.",
    flags: [
      keysFlag("endpoint"),
      {
        name: "zone",
        kind: "text",
        placeholder: "NAME",
        summary: "window: the time zone, such as Europe/Berlin (default: that of this machine)",
      },
      {
        name: "calendar",
        kind: "switch",
        summary: "window: START is a calendar expression of systemd.time(7)",
      },
      jsonFlag,
    ],
    choices: { words: ["halt", "resume", "window"] },
    examples: [
      { line: "argosy reboots", meaning: "all groups" },
      { line: 'argosy reboots halt "the shop is busy"', meaning: "nobody begins to reboot" },
      { line: "argosy reboots resume", meaning: "they may again" },
      { line: 'argosy reboots window "Thu 04:00" 1h30m', meaning: "checks a window before it is used" },
      {
        line: 'argosy reboots window --calendar "Mon..Fri 02:00" 2h --zone Europe/Berlin',
        meaning: "the same for a calendar expression",
      },
    ],
    run: async (call) => {
      const [deed, ...words] = call.arguments;
      if (deed === "window") return showWindow(call, words);
      const { groups, board } = access(call);
      if (deed === undefined) return await show(call, groups, board);
      if (deed === "halt") return await halt(call, groups, words.join(" "));
      if (deed === "resume" && words.length === 0) return await resume(call, groups);
      throw new Fault(
        "bad-argument",
        `there is no "${call.arguments.join(" ")}" here; give halt, resume, window or nothing`,
      );
    },
  };
}

function connect(call: Call): RebootsAccess {
  const api = connectKeys(call, "endpoint", wholeLimitMs);
  return { groups: new AllGroups(call.env, api), board: new RebootBoard(api) };
}

async function show(call: Call, groups: AllGroups, board: RebootBoard): Promise<number> {
  const pictures = await groups.pictures();
  const halted = pictures[0]?.halted;
  const [records, wishes] = [await board.records(), await board.wishes()];
  if (call.flags.on("json")) {
    const machines = [...records.values()];
    printJson(call, { halted: halted ?? null, groups: pictures.map(groupJson), machines, wishes });
    return exitCodes.done;
  }
  if (halted !== undefined) {
    const reason = halted.reason === "" ? "" : `: ${halted.reason}`;
    call.stdout.write(`Reboots are halted since ${halted.since}${reason}\n\n`);
  }
  const rows = pictures.map(({ group, semaphore, leases, queue }) => [
    group === "" ? "(default)" : group,
    String(semaphore.free),
    String(semaphore.max),
    semaphore.holders.map((id) => `${id}${leaseText(leases.get(id))}`).join(", ") || "-",
    queue.map(({ id }) => id).join(", ") || "-",
  ]);
  for (const line of spacedTable([["GROUP", "FREE", "MAX", "HOLDERS", "QUEUE"], ...rows])) {
    call.stdout.write(`${line}\n`);
  }
  showMachines(call, [...records.values()], wishes);
  return exitCodes.done;
}

/** What every machine's locksmithd does, and for what those wait that do not reboot. */
function showMachines(call: Call, records: readonly MachineRecord[], wishes: readonly Wish[]): void {
  if (records.length === 0) return;
  const rows = records.map((record) => [
    record.id,
    record.strategy,
    record.phase,
    record.since,
    windowText(record),
    record.why === "" ? (wishes.some(({ id }) => id === record.id) ? "asked to reboot" : "-") : record.why,
  ]);
  call.stdout.write("\n");
  for (const line of spacedTable([["MACHINE", "STRATEGY", "PHASE", "SINCE", "WINDOW", "WHY"], ...rows])) {
    call.stdout.write(`${line}\n`);
  }
}

function windowText({ window }: MachineRecord): string {
  if (window === undefined) return "any time";
  return `${window.open ? "open until" : "opens"} ${window.changesAt}`;
}

function groupJson({ group, semaphore, leases, queue }: GroupPicture): object {
  const { free, max, holders } = semaphore;
  return {
    group,
    available: free,
    max,
    holders: holders.map((id) => ({ id, lease: leases.get(id) ?? null })),
    queue,
  };
}

function leaseText(lease: Lease | undefined): string {
  if (lease === undefined) return "";
  return lease.leftSeconds === 0 ? " (lease ended)" : ` (${lease.leftSeconds}s left)`;
}

function showWindow(call: Call, [start, length, ...more]: readonly string[]): number {
  if (start === undefined || length === undefined || more.length > 0) {
    throw new Fault(
      "bad-argument",
      'a window is two words, its start and its length, such as "Thu 04:00" 1h30m',
    );
  }
  const zone = call.flags.text("zone") ?? "";
  const state = timesState(readTimes(call, start, length, zone), call.env.clock.now());
  if (state === undefined) {
    if (call.flags.on("json")) printJson(call, { open: false, opensAt: null });
    else call.stdout.write("Closed for ever: it never opens again\n");
    return exitCodes.done;
  }
  const changesAt = new Date(state.open ? state.closesAt : state.opensAt);
  if (call.flags.on("json")) {
    const times = state.open ? { closesAt: changesAt } : { opensAt: changesAt, waitMs: state.waitMs };
    printJson(call, { open: state.open, ...times });
  } else {
    call.stdout.write(`${state.open ? "Open until" : "Closed until"} ${wallText(changesAt, zone)}\n`);
  }
  return exitCodes.done;
}

function readTimes(call: Call, start: string, length: string, zone: string): RebootTimes {
  const isCalendar = call.flags.on("calendar");
  try {
    const times = rebootTimes({
      start: isCalendar ? "" : start,
      calendar: isCalendar ? start : "",
      length,
      zone,
    });
    if (times !== undefined) return times;
    throw new Fault("bad-window", "a window has a start and a length; give both");
  } catch (error) {
    if (!isFault(error, "bad-window")) throw error;
    throw new Fault("bad-window", `parsing reboot window: ${error.message}`);
  }
}

/** A moment as the clock on the wall of a zone shows it; of this machine without one. */
function wallText(time: Date, zone: string): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const { year, month, day, hour, minute, second } = new Zone(zone === "" ? undefined : zone).wall(
    time.getTime(),
  );
  const weekday = new Date(Date.UTC(year, month - 1, day)).toLocaleDateString("en", {
    weekday: "short",
    timeZone: "UTC",
  });
  const clock = [hour, minute, second].map(two).join(":");
  return `${weekday} ${year}-${two(month)}-${two(day)} ${clock}${zone === "" ? "" : ` ${zone}`}`;
}

async function halt(call: Call, groups: AllGroups, reason: string): Promise<number> {
  await groups.halt(reason);
  if (call.flags.on("json")) printJson(call, { halted: true, reason });
  else call.stdout.write("Nobody begins to reboot any more; argosy reboots resume ends this.\n");
  return exitCodes.done;
}

async function resume(call: Call, groups: AllGroups): Promise<number> {
  const was = await groups.resume();
  if (call.flags.on("json")) printJson(call, { halted: false, was });
  else call.stdout.write(was ? "Machines may reboot again.\n" : "Reboots were not halted.\n");
  return exitCodes.done;
}
