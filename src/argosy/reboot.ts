import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { type MachineReport, staysAtDrain } from "../fleet/machine-report.ts";
import type { KeysClient } from "../keys/client-keys.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { rootKey } from "../locksmith/lock-keys.ts";
import { type MachineRecord, RebootBoard } from "../locksmith/reboot-board.ts";
import { RebootLock } from "../locksmith/reboot-lock.ts";
import { type ConnectFleet, connectFleet, endpointFlag } from "./connect.ts";
import { connectKeys, keysFlag } from "./keys-endpoint.ts";
import { findMachine, machineChoices, shownMachine } from "./machine-argument.ts";

/** Gives a command its client of the keys API. */
export type ConnectKeys = (call: Call) => Pick<KeysClient, "get" | "put" | "remove" | "watch">;

/** How long the command waits before it asks a server again that did not answer. */
const askAgainMs = 500;

/** `argosy reboot MACHINE`: asks a machine's locksmithd to reboot it, and watches. */
export function rebootCommand(
  fleet: ConnectFleet = connectFleet,
  keys: ConnectKeys = (call) => connectKeys(call, "keys"),
): Command {
  return {
    name: "reboot",
    summary: "Reboot a machine when it is its turn, drained before",
    usage: "MACHINE",
    description:
      "Asks the machine's locksmithd to reboot it: when its window is open and a slot of the reboot lock is free, its units " +
      "move elsewhere, it reboots, and gives the slot back when it is well again. This command shows how far it is and can be " +
      "interrupted; --withdraw takes the wish back. Exit code 1 when --timeout is over first. MACHINE is an ID, the beginning " +
      "of one, or an address.",
    flags: [
      endpointFlag,
      keysFlag("keys"),
      { name: "reason", kind: "text", placeholder: "TEXT", summary: "why, for those who look" },
      { name: "dry-run", kind: "switch", summary: "say what would happen and ask for nothing" },
      { name: "withdraw", kind: "switch", summary: "take back what was asked for and has not happened" },
      {
        name: "timeout",
        kind: "seconds",
        placeholder: "TIME",
        summary: "stop waiting after this time; the reboot goes on (default: wait until it is done)",
      },
      { name: "no-block", kind: "switch", summary: "ask and do not wait" },
      jsonFlag,
    ],
    arity: { least: 1, most: 1 },
    choices: machineChoices(fleet),
    examples: [
      { line: "argosy reboot 4f9c21ab", meaning: "when it is its turn" },
      { line: "argosy reboot 4f9c21ab --dry-run", meaning: "what would move, and who is before it" },
    ],
    run: async (call) => {
      const machine = await findMachine(fleet(call), call.arguments[0] ?? "");
      const api = keys(call);
      const board = new RebootBoard(api);
      if (call.flags.on("withdraw")) return await withdraw(call, board, machine);
      const record = (await board.records()).get(machine.id);
      if (record === undefined || !machine.present) throw silent(machine);
      const lock = new RebootLock(call.env, api, record.group);
      if (call.flags.on("dry-run")) return await showPlan(call, lock, machine, record);
      const since = new Date(call.env.clock.now()).toISOString();
      const reason = call.flags.text("reason") ?? "";
      const number = await board.ask({ id: machine.id, boot: record.boot, since, reason });
      const asked = { machine, number, boot: record.boot };
      if (!call.flags.on("json"))
        call.stdout.write(`Asked ${shownMachine(machine)} to reboot (it is ${phaseText(record)}).\n`);
      if (call.flags.on("no-block")) {
        if (call.flags.on("json")) printJson(call, { machine: machine.id, rebooted: false });
        return exitCodes.done;
      }
      return await follow(call, api, board, asked);
    },
  };
}

function silent(machine: MachineReport): Fault {
  return new Fault(
    "no-locksmithd",
    `locksmithd does not run on ${shownMachine(machine)}: see "systemctl status locksmithd" there; it ends at once with REBOOT_STRATEGY=off`,
  );
}

async function withdraw(call: Call, board: RebootBoard, machine: MachineReport): Promise<number> {
  const wish = await board.wish(machine.id);
  if (wish !== undefined) await board.withdraw(wish);
  const was = wish !== undefined;
  if (call.flags.on("json")) printJson(call, { machine: machine.id, withdrawn: was });
  else if (was) call.stdout.write(`${shownMachine(machine)} does not reboot, if it has not begun to.\n`);
  else call.stdout.write(`Nobody has asked ${shownMachine(machine)} to reboot.\n`);
  return exitCodes.done;
}

async function showPlan(
  call: Call,
  lock: RebootLock,
  machine: MachineReport,
  record: MachineRecord,
): Promise<number> {
  const { semaphore, queue, halted } = await lock.picture();
  const staying = machine.units.filter(staysAtDrain);
  const moving = machine.units.filter((unit) => !staying.includes(unit));
  const names = (units: MachineReport["units"]): string =>
    units.length === 0 ? "none" : units.map(({ name }) => name).join(", ");
  if (call.flags.on("json")) {
    printJson(call, {
      machine: machine.id,
      record,
      lock: { available: semaphore.free, max: semaphore.max, holders: semaphore.holders, queue },
      halted: halted ?? null,
      moving: moving.map(({ name }) => name),
      staying: staying.map(({ name }) => name),
    });
    return exitCodes.done;
  }
  const { window } = record;
  const windowText =
    window === undefined ? "any time" : `${window.open ? "open until" : "closed until"} ${window.changesAt}`;
  const waiting = queue.filter(({ id }) => id !== machine.id).map(({ id }) => id);
  const lines = [
    `Would reboot ${shownMachine(machine)}, whose locksmithd is ${phaseText(record)}:`,
    `  window:  ${windowText}`,
    `  lock:    ${semaphore.free} of ${semaphore.max} slots free; held by ${semaphore.holders.join(", ") || "nobody"}`,
    `  before:  ${waiting.join(", ") || "nobody waits"}`,
    ...(halted === undefined
      ? []
      : [`  halted:  since ${halted.since}${halted.reason && `: ${halted.reason}`}`]),
    `  moves:   ${names(moving)}`,
    `  stops:   ${names(staying)}`,
    "Nothing was asked for.",
  ];
  call.stdout.write(`${lines.join("\n")}\n`);
  return exitCodes.done;
}

/** A machine's phase as a part of a sentence. */
export function phaseText({ phase, why }: Pick<MachineRecord, "phase" | "why">): string {
  return `${phase.replaceAll("-", " ")}${why === "" ? "" : ` (${why})`}`;
}

interface Asked {
  readonly machine: MachineReport;
  readonly number: number;
  readonly boot: string;
}

async function follow(
  call: Call,
  api: ReturnType<ConnectKeys>,
  board: RebootBoard,
  asked: Asked,
): Promise<number> {
  const over = new AbortController();
  const limitMs = call.flags.milliseconds("timeout");
  const beginMs = call.env.clock.monotonic();
  const isQuiet = call.flags.on("json");
  const watched = watchUntilDone(call, api, board, asked);
  const late =
    limitMs === undefined
      ? new Promise<never>(() => {})
      : call.env.clock.sleep(limitMs, over.signal).then(() => "late" as const);
  late.catch(() => undefined);
  const end = await Promise.race([watched, late]);
  over.abort(new Fault("over", "over"));
  if (end === "late") {
    call.stderr.write(
      `The reboot goes on without this command. Watch it with: argosy reboots; take it back with: argosy reboot ${asked.machine.id.slice(0, 8)} --withdraw\n`,
    );
    return exitCodes.failed;
  }
  const seconds = Math.round((call.env.clock.monotonic() - beginMs) / 100) / 10;
  if (isQuiet) printJson(call, { machine: asked.machine.id, rebooted: true, seconds });
  else
    call.stdout.write(`${shownMachine(asked.machine)} has rebooted and is well again after ${seconds} s.\n`);
  return exitCodes.done;
}

/** Tells each phase of the machine, and resolves when it is done. Throws Fault `withdrawn`. */
async function watchUntilDone(
  call: Call,
  api: ReturnType<ConnectKeys>,
  board: RebootBoard,
  { machine, number, boot }: Asked,
): Promise<"done"> {
  let told = "";
  const isDone = async (): Promise<boolean> => {
    const record = (await board.records()).get(machine.id);
    const wish = await board.wish(machine.id);
    const text = record === undefined ? "its locksmithd has ended" : phaseText(record);
    if (text !== told && !call.flags.on("json")) call.stdout.write(`${text}\n`);
    told = text;
    if (wish?.number === number) return false;
    if (record === undefined || record.boot !== boot) return true;
    throw new Fault("withdrawn", `somebody has taken back that ${shownMachine(machine)} is to reboot`);
  };
  for (;;) {
    try {
      const { index } = await api.get(rootKey, { recursive: false, sorted: false, quorum: true });
      if (await isDone()) return "done";
      for await (const _ of api.watch(rootKey, true, index)) if (await isDone()) return "done";
    } catch (error) {
      if (!isFault(error) || error.code === "withdrawn" || call.signal.aborted) throw error;
      await call.env.clock.sleep(askAgainMs, call.signal);
    }
  }
}
