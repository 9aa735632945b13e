import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { sentenceOf } from "../lib/fault.ts";
import { statusLines } from "../update/status.ts";
import { isSettled, type OpenUpdateEngine, withUpdateEngine } from "./update-engine-access.ts";

/** update_engine_client as CoreOS had it: one command whose flags say what to do. */
export function updateEngineClient(open: OpenUpdateEngine): Command {
  return {
    name: "update_engine_client",
    summary: "Look at and start updates of this machine, as on CoreOS",
    usage: "",
    description:
      "One of the flags says what to do. -update waits until it is done, and exits 1 when it failed, where CoreOS's exited 0. " +
      "argosy update tells more and can do more.",
    flags: [
      { name: "status", kind: "switch", summary: "print the status" },
      { name: "check_for_update", kind: "switch", summary: "start a check and an update, and do not wait" },
      {
        name: "update",
        kind: "switch",
        summary: "check and update, and wait until a reboot is needed or nothing is newer",
      },
      { name: "reset_status", kind: "switch", summary: "forget that a reboot is needed" },
      {
        name: "watch_for_updates",
        kind: "switch",
        summary: "print the status at every change, until interrupted",
      },
    ],
    arity: { least: 0, most: 0 },
    examples: [{ line: "update_engine_client -status", meaning: "five lines of the form NAME=value" }],
    run: async (call) => {
      const { flags, stdout, stderr } = call;
      if (!deeds.some((flag) => flags.on(flag))) {
        stderr.write("No flags specified. Exiting.\nRun update_engine_client --help for usage.\n");
        return exitCodes.failed;
      }
      return await withUpdateEngine(call, open, async (engine) => {
        if (flags.on("reset_status")) {
          try {
            await engine.reset();
          } catch (error) {
            stderr.write(`Reset status failed: ${sentenceOf(error)}\n`);
            return exitCodes.failed;
          }
          stderr.write("Reset status succeeded\n");
          return exitCodes.done;
        }
        if (flags.on("status")) {
          stdout.write(statusLines(await engine.status()));
          return exitCodes.done;
        }
        if (flags.on("check_for_update")) {
          stderr.write("Initiating update check and install.\n");
          await engine.attempt();
          return exitCodes.done;
        }
        if (flags.on("update")) return await update(call, engine);
        return await watch(call, engine);
      });
    },
  };
}

/** Flags that say what to do; the first one in this order that was given counts. */
const deeds = ["reset_status", "status", "check_for_update", "update", "watch_for_updates"] as const;

type Engine = Awaited<ReturnType<OpenUpdateEngine>>;

async function update(call: Call, engine: Engine): Promise<number> {
  call.stderr.write("Initiating update check and install.\n");
  await engine.attempt();
  let shown = "";
  for (;;) {
    const lines = statusLines(await engine.status());
    if (lines !== shown) call.stdout.write(lines);
    shown = lines;
    const report = await engine.report();
    if (isSettled(report)) {
      if (report.failure !== null) {
        call.stderr.write(`Update failed: ${report.failure.text}\n`);
        return exitCodes.failed;
      }
      const needsReboot = report.operation === "UPDATE_STATUS_UPDATED_NEED_REBOOT";
      call.stderr.write(needsReboot ? "Update succeeded -- reboot needed.\n" : "No update available\n");
      return exitCodes.done;
    }
    await engine.changed(call.signal);
  }
}

async function watch(call: Call, engine: Engine): Promise<number> {
  let shown = "";
  for (;;) {
    const lines = statusLines(await engine.status());
    if (lines !== shown) call.stdout.write(lines);
    shown = lines;
    await engine.changed(call.signal);
  }
}
