import { type Call, type Command, type CommandGroup, exitCodes, type Flag } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { spacedTable } from "../lib/table.ts";
import type { EngineReport } from "../update/status.ts";
import {
  isSettled,
  type OpenUpdateEngine,
  type UpdateEngineAccess,
  withUpdateEngine,
} from "./update-engine-access.ts";
import { timeText, told } from "./update-output.ts";

const dryRunFlag: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "say what would be done, and do nothing",
};
const againFlag: Flag = {
  name: "again",
  kind: "switch",
  summary: "forget first what was refused on this machine, so that it may be tried once more",
};

/** `argosy update`: this machine's operating system, and what becomes of it. */
export function updateCommand(open: OpenUpdateEngine): CommandGroup {
  return {
    name: "update",
    summary: "See and steer the updates of this machine's operating system",
    description:
      "Talks to update-engine.service on this machine. Updates come from the server in /etc/coreos/update.conf, are written " +
      "beside what runs, and take effect at the next reboot, which locksmith allows one machine after the other.",
    commands: [status(open), check(open), rollback(open), hold(open), release(open)],
  };
}

function status(open: OpenUpdateEngine): Command {
  return {
    name: "status",
    summary: "Show which version runs, what is installed, and what is refused",
    usage: "",
    description:
      "Prints what update-engine knows. The last lines are releases that this machine does not take, and why.",
    flags: [jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy update status", meaning: "the version that runs, and what comes next" }],
    run: async (call) =>
      await withUpdateEngine(call, open, async (engine) => {
        show(call, await engine.report());
        return exitCodes.done;
      }),
  };
}

function check(open: OpenUpdateEngine): Command {
  return {
    name: "check",
    summary: "Ask for an update now, and install it when there is one",
    usage: "",
    description:
      "Asks the server and waits until the answer is carried out. Exits 0 when nothing is newer or an update waits for its " +
      "reboot, 1 when something failed or was refused.",
    flags: [againFlag, dryRunFlag, jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [
      { line: "argosy update check", meaning: "updates this machine now, up to the reboot" },
      { line: "argosy update check --again", meaning: "tries a release once more that failed here" },
    ],
    run: async (call) =>
      await withUpdateEngine(call, open, async (engine) => {
        const before = await engine.report();
        if (call.flags.on("dry-run")) {
          const asked =
            before.server === "" ? "nobody: set SERVER in /etc/coreos/update.conf" : before.server;
          return told(call, `Would ask ${asked} for group ${before.group}; ${before.running} runs.`, {
            asks: before.server,
          });
        }
        const isWaiting = before.phase === "reboot-wanted" || before.phase === "staged";
        if (!isWaiting) await engine.check(call.flags.on("again"));
        const after = await settled(call, engine);
        if (call.flags.on("json")) printJson(call, after);
        else call.stdout.write(`${outcome(after)}\n`);
        return after.failure === null ? exitCodes.done : exitCodes.failed;
      }),
  };
}

/** Follows the engine until it is at rest, with a line for each step on a terminal. */
async function settled(call: Call, engine: UpdateEngineAccess): Promise<EngineReport> {
  let shown = "";
  for (;;) {
    const report = await engine.report();
    if (isSettled(report)) return report;
    const line = `${report.phase} ${report.newVersion === "0.0.0" ? "" : report.newVersion} ${Math.floor(report.progress * 100)}%`;
    if (call.stderr.isTerminal && line !== shown) call.stderr.write(`${line}\n`);
    shown = line;
    await engine.changed(call.signal);
  }
}

function outcome(report: EngineReport): string {
  if (report.failure !== null) return `Not updated: ${report.failure.text}`;
  if (report.phase === "reboot-wanted") return `${report.newVersion} is installed and waits for a reboot.`;
  if (report.phase === "staged")
    return `${report.newVersion} is installed; updates are held, so no reboot is asked for.`;
  return `Nothing newer than ${report.running}.`;
}

function rollback(open: OpenUpdateEngine): Command {
  return {
    name: "rollback",
    summary: "Go back to the version before",
    usage: "",
    description:
      "Drops an update that waits for its reboot. Without one, the next boot takes the other version on this machine, and the " +
      "reboot goes through locksmith as after an update. The version that is left is not installed here again until argosy " +
      "update check --again.",
    flags: [dryRunFlag, jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy update rollback", meaning: "back to what ran before" }],
    run: async (call) =>
      await withUpdateEngine(call, open, async (engine) => {
        const before = await engine.report();
        const isWaiting = before.phase === "reboot-wanted" || before.phase === "staged";
        const good = before.others.filter(({ state }) => state === "good").map(({ version }) => version);
        const meant = isWaiting
          ? `drop ${before.newVersion} and stay with ${before.running}`
          : `boot ${good.join(" or ")} next`;
        if (call.flags.on("dry-run")) {
          const possible = isWaiting || good.length > 0;
          return told(
            call,
            possible ? `Would ${meant}.` : `Nothing to go back to: only ${before.running} is here.`,
            {
              possible,
              versions: isWaiting ? [before.running] : good,
            },
          );
        }
        await engine.rollback();
        const after = await engine.report();
        if (call.flags.on("json")) printJson(call, after);
        else if (after.phase === "reboot-wanted")
          call.stdout.write(`${after.newVersion} runs after the next reboot.\n`);
        else if (isWaiting) call.stdout.write(`${before.newVersion} is dropped; ${after.running} stays.\n`);
        else
          call.stdout.write(
            `${after.newVersion} runs after the next reboot, which is not asked for: updates are held.\n`,
          );
        return exitCodes.done;
      }),
  };
}

function hold(open: OpenUpdateEngine): Command {
  return {
    name: "hold",
    summary: "Install no update, and ask for no reboot, until released",
    usage: "[REASON]",
    description:
      "Outlives reboots. The server still hears of this machine. An update that is being installed is finished, and waits.",
    flags: [dryRunFlag, jsonFlag],
    examples: [{ line: 'argosy update hold "until the sale is over"', meaning: "keeps this version" }],
    run: async (call) =>
      await withUpdateEngine(call, open, async (engine) => {
        const reason = call.arguments.join(" ");
        if (call.flags.on("dry-run")) return told(call, "Would hold updates.", { reason });
        await engine.hold(reason);
        return told(call, "Updates are held; argosy update release ends that.", { held: true, reason });
      }),
  };
}

function release(open: OpenUpdateEngine): Command {
  return {
    name: "release",
    summary: "End a hold",
    usage: "",
    description: "The server is asked soon, and an update that waited asks for its reboot.",
    flags: [dryRunFlag, jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy update release", meaning: "updates go on" }],
    run: async (call) =>
      await withUpdateEngine(call, open, async (engine) => {
        if (call.flags.on("dry-run")) {
          const { hold: held } = await engine.report();
          return told(call, held === null ? "Updates are not held." : "Would end the hold.", {
            held: held !== null,
          });
        }
        await engine.release();
        return told(call, "Updates are not held any more.", { held: false });
      }),
  };
}

function show(call: Call, report: EngineReport): void {
  if (call.flags.on("json")) return printJson(call, report);
  const { stdout } = call;
  const rows: (readonly [string, string])[] = [
    ["Running:", `${report.running}${report.trial ? " (not proven yet)" : ""}`],
    ["State:", stateText(report)],
    ["Group:", report.group],
    ["Server:", report.server === "" ? "none" : report.server],
    ["Last check:", report.lastCheckedTime === 0 ? "never" : timeText(report.lastCheckedTime * 1000)],
    ["Next check:", report.nextCheckMs === null ? "on demand" : timeText(report.nextCheckMs)],
    [
      "Also here:",
      report.others.map(({ version, state }) => `${version} (${state})`).join(", ") || "nothing",
    ],
  ];
  if (report.hold !== null)
    rows.push(["Held:", `since ${timeText(report.hold.sinceMs)} ${report.hold.reason}`.trimEnd()]);
  if (report.failure !== null) rows.push(["Failed:", report.failure.text]);
  for (const line of spacedTable(rows)) stdout.write(`${line}\n`);
  if (report.refused.length === 0) return;
  stdout.write("\n");
  const refused = report.refused.map(({ version, kind, atMs, times, reason }) => [
    version === "" ? "-" : version,
    kind,
    timeText(atMs),
    String(times),
    reason,
  ]);
  for (const line of spacedTable([["REFUSED", "WHY", "LAST", "TIMES", "REASON"], ...refused]))
    stdout.write(`${line}\n`);
}

function stateText({ phase, newVersion, progress }: EngineReport): string {
  switch (phase) {
    case "downloading":
    case "verifying":
      return `${phase} ${newVersion}, ${Math.floor(progress * 100)}%`;
    case "staged":
      return `${newVersion} is installed and held back`;
    case "reboot-wanted":
      return `${newVersion} is installed and waits for a reboot`;
    default:
      return phase;
  }
}
