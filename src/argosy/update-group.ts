import { type Call, type Command, exitCodes, type FlagValues } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault } from "../lib/fault.ts";
import { spacedTable } from "../lib/table.ts";
import { hoursText, parseHours } from "../update/office-hours.ts";
import { updating } from "../update/rollout.ts";
import { type Group, isName, newGroup } from "../update/server-records.ts";
import type { UpdateRegistry } from "../update/update-registry.ts";
import { checkedName, dryRunFlag, expectNamed, forget, type WithRegistry } from "./update-records.ts";
import { updateStoreFlag } from "./update-server-serve.ts";

/** `argosy update-server group`: the rules of a roll-out. */
export function updateGroupCommand(withRegistry: WithRegistry): Command {
  return {
    name: "group",
    summary: "Show the groups of machines, or set the rules of one",
    usage: "[NAME]",
    description:
      "A group is what machines call GROUP in their update.conf; machines of a group that is not here get nothing. Flags change " +
      "only what they name; a new group has the channel of its own name and gives everything to everybody at once.",
    flags: [
      updateStoreFlag,
      {
        name: "channel",
        kind: "text",
        placeholder: "NAME",
        summary: "the channel whose version its machines get",
      },
      {
        name: "percent",
        kind: "number",
        placeholder: "N",
        summary: "how many of a hundred machines take part; raising it adds some and drops none",
      },
      {
        name: "most",
        kind: "number",
        placeholder: "N",
        summary: "machines that get an update within a period, and at the same time; 0 for any number",
      },
      { name: "per", kind: "seconds", placeholder: "TIME", summary: "the period, such as 15m or 24h" },
      {
        name: "timeout",
        kind: "seconds",
        placeholder: "TIME",
        summary: "after this a machine that is not heard of is not counted as updating any more",
      },
      {
        name: "hours",
        kind: "text",
        placeholder: "HOURS",
        summary: 'when updates are given, such as "Mon-Fri 09:00-17:00"; always: at any time',
      },
      {
        name: "zone",
        kind: "text",
        placeholder: "ZONE",
        summary: "the time zone of the hours, such as Europe/Berlin; without it UTC",
      },
      {
        name: "safe",
        kind: "text",
        placeholder: "on|off",
        summary: "one machine first, the others when it came up well",
      },
      { name: "pause", kind: "switch", summary: "give no updates to this group" },
      { name: "resume", kind: "switch", summary: "give updates again, also after a first machine failed" },
      { name: "remove", kind: "switch", summary: "forget the group; its machines get nothing" },
      dryRunFlag,
      jsonFlag,
    ],
    arity: { least: 0, most: 1 },
    examples: [
      {
        line: 'argosy update-server group stable --most 2 --per 1h --hours "Mon-Fri 09:00-17:00" --zone Europe/Berlin',
        meaning: "two machines an hour, while somebody is there",
      },
      {
        line: "argosy update-server group stable --percent 10 --safe on",
        meaning: "a tenth of the machines, one of them first",
      },
      { line: "argosy update-server group", meaning: "all groups" },
    ],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const [name] = call.arguments;
        expectNamed(call, { changing: [...changing, "remove"], usage: "group NAME" });
        if (name === undefined) return await show(call, registry, await registry.groups());
        checkedName(name);
        if (call.flags.on("remove"))
          return await forget(call, registry, "group", name, call.flags.on("dry-run"));
        if (!changing.some((flag) => call.flags.given(flag))) {
          const found = (await registry.groups()).filter((group) => group.name === name);
          if (found.length > 0) return await show(call, registry, found);
        }
        const change = (before: Group | undefined): Group =>
          changedGroup(before ?? newGroup(name), call.flags);
        if (call.flags.on("dry-run")) {
          const before = (await registry.groups()).find((group) => group.name === name);
          return await show(call, registry, [change(before)]);
        }
        const made = await registry.changeGroup(name, change);
        if (call.flags.on("resume")) await registry.resumeGroup(made);
        return await show(call, registry, [made]);
      }),
  };
}

const changing = ["channel", "percent", "most", "per", "timeout", "hours", "zone", "safe", "pause", "resume"];

/** A group with what the flags say. Throws Fault `bad-flags` or `bad-hours`. */
export function changedGroup(before: Group, flags: FlagValues): Group {
  const percent = flags.number("percent") ?? before.percent;
  if (percent > 100)
    throw new Fault("bad-flags", `--percent ${percent} is more than all machines; give 0 to 100`);
  const channel = flags.text("channel") ?? before.channel;
  if (!isName(channel)) throw new Fault("bad-flags", `--channel "${channel}" cannot be a name`);
  const safe = flags.text("safe");
  if (safe !== undefined && safe !== "on" && safe !== "off")
    throw new Fault("bad-flags", `--safe is on or off, not "${safe}"`);
  if (flags.on("pause") && flags.on("resume"))
    throw new Fault("bad-flags", "--pause and --resume are opposites; give one of them");
  const { hours: _hours, ...rest } = before;
  const hours = hoursOf(before, flags);
  return {
    ...rest,
    channel,
    percent,
    most: flags.number("most") ?? before.most,
    periodMs: positive(flags, "per") ?? before.periodMs,
    timeoutMs: positive(flags, "timeout") ?? before.timeoutMs,
    safe: safe === undefined ? before.safe : safe === "on",
    ...(hours === undefined ? {} : { hours }),
    ...(flags.on("pause") ? { enabled: false, reason: "paused" } : {}),
    ...(flags.on("resume") ? { enabled: true, reason: "" } : {}),
  };
}

function hoursOf({ hours }: Group, flags: FlagValues): Group["hours"] {
  const text = flags.text("hours");
  if (flags.given("zone") && (text === "always" || (text === undefined && hours === undefined)))
    throw new Fault("bad-hours", `--zone says of which hours the clock is; give --hours with it`);
  const zone = flags.text("zone") ?? hours?.zone ?? "UTC";
  if (text === "always") return undefined;
  if (text !== undefined) return parseHours(text, zone);
  if (hours === undefined || !flags.given("zone")) return hours;
  return parseHours(hoursText(hours).replace(/ \S+$/, ""), zone);
}

function positive(flags: FlagValues, name: string): number | undefined {
  const ms = flags.milliseconds(name);
  if (ms === undefined || ms > 0) return ms;
  throw new Fault("bad-flags", `--${name} is a time above 0, such as 15m`);
}

async function show(call: Call, registry: UpdateRegistry, groups: readonly Group[]): Promise<number> {
  const nowMs = call.env.clock.now();
  const halted = await registry.halted();
  const rows = [];
  for (const group of groups)
    rows.push({ ...group, updating: updating(await registry.grants(group.name), group, nowMs) });
  if (call.flags.on("json")) {
    printJson(call, { halted: halted ?? null, groups: rows });
    return exitCodes.done;
  }
  if (halted !== undefined) {
    const reason = halted.reason === "" ? "" : `: ${halted.reason}`;
    call.stdout.write(`All updates are halted since ${new Date(halted.sinceMs).toISOString()}${reason}\n\n`);
  }
  const lines = rows.map((each) => [
    each.name,
    each.channel,
    `${each.percent}%`,
    each.most === 0 ? "any" : `${each.most} per ${periodText(each.periodMs)}`,
    each.hours === undefined ? "always" : hoursText(each.hours),
    each.safe ? "on" : "off",
    String(each.updating),
    each.enabled ? "" : `off: ${each.reason}`,
  ]);
  const head = ["GROUP", "CHANNEL", "TAKE PART", "MOST", "HOURS", "SAFE", "UPDATING", "STATE"];
  for (const line of spacedTable([head, ...lines])) call.stdout.write(`${line.trimEnd()}\n`);
  return exitCodes.done;
}

function periodText(ms: number): string {
  const seconds = ms / 1000;
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
