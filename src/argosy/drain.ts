import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import type { FleetClient } from "../fleet/api-client.ts";
import type { VersionedReport } from "../fleet/api-machines.ts";
import type { MachineReport, UnitOfMachine } from "../fleet/machine-report.ts";
import { Fault, isFault } from "../lib/fault.ts";
import { type ConnectFleet, connectFleet, endpointFlag } from "./connect.ts";
import { findMachine, machineChoices, shownMachine } from "./machine-argument.ts";

/** How long the command waits before it asks an API again that did not answer. */
const askAgainMs = 500;

/** `argosy drain MACHINE`: moves every unit of a machine elsewhere, and watches. */
export function drainCommand(connect: ConnectFleet = connectFleet): Command {
  return {
    name: "drain",
    summary: "Move all units of a machine elsewhere, one by one",
    usage: "MACHINE",
    description:
      "Cordons the machine, and moves its units: each runs elsewhere before it stops here, and the next one follows when it " +
      "is well there. A unit with OnPartition=stop stops here first, because it must never run twice. Global units and " +
      "units pinned to the machine stay. The engine does it; this command shows how far it is and can be interrupted and " +
      "given again. Afterwards the machine stays cordoned until argosy uncordon, also when it is restarted. Exit code 1 " +
      "when --timeout is over first. MACHINE is an ID, the beginning of one, or an address.",
    flags: [
      endpointFlag,
      {
        name: "max-unavailable",
        kind: "number",
        otherwise: "1",
        summary: "how many units may be on the move at the same time",
      },
      {
        name: "timeout",
        kind: "seconds",
        placeholder: "TIME",
        summary: "stop waiting after this time; the drain goes on (default: wait until it is done)",
      },
      { name: "no-block", kind: "switch", summary: "begin the drain and do not wait for it" },
      jsonFlag,
    ],
    arity: { least: 1, most: 1 },
    choices: machineChoices(connect),
    examples: [
      { line: "argosy drain 4f9c21ab", meaning: "one unit after the other" },
      {
        line: "argosy drain 4f9c21ab --max-unavailable 5 --timeout 10m",
        meaning: "five at a time, ten minutes at most",
      },
    ],
    run: async (call) => {
      const client = connect(call);
      const { id } = await findMachine(client, call.arguments[0] ?? "");
      const begun = await client.changeMachine(id, "drain", call.flags.number("max-unavailable") ?? 1);
      const narrator = new Narrator(call);
      narrator.begin(begun.machine);
      if (call.flags.on("no-block")) return finish(call, begun.machine, exitCodes.done);
      return await follow(call, client, begun, narrator);
    },
  };
}

async function follow(
  call: Call,
  client: FleetClient,
  begun: VersionedReport,
  narrator: Narrator,
): Promise<number> {
  const over = new AbortController();
  const limitMs = call.flags.milliseconds("timeout");
  const until = AbortSignal.any([call.signal, over.signal]);
  if (limitMs !== undefined)
    call.env.clock.sleep(limitMs, call.signal).then(
      () => over.abort(isOver),
      () => undefined,
    );
  let known = begun;
  try {
    for (;;) {
      const { machine } = known;
      narrator.tell(machine);
      if (machine.state === "ready" || machine.state === "cordoned")
        throw new Fault("drain-ended", `Somebody has ended the drain of ${shownMachine(machine)}.`);
      if (machine.state === "drained") return finish(call, machine, exitCodes.done);
      known = await next(call, client, known, until);
    }
  } catch (error) {
    if (!until.aborted) throw error;
    const id = known.machine.id.slice(0, 8);
    // Given without the number it would set it back to one.
    const most = known.machine.maxUnavailable ?? 1;
    const again = most === 1 ? id : `${id} --max-unavailable ${most}`;
    call.stderr.write(
      `The drain goes on without this command. Watch it with: argosy drain ${again}; end it with: argosy uncordon ${id}\n`,
    );
    return finish(call, known.machine, exitCodes.failed);
  }
}

/** Why a wait ends whose time is over. */
const isOver = new Fault("too-late", "the drain took longer than --timeout");

/** The next report that differs, however long the API is away meanwhile. */
async function next(
  call: Call,
  client: FleetClient,
  known: VersionedReport,
  until: AbortSignal,
): Promise<VersionedReport> {
  for (;;) {
    until.throwIfAborted();
    try {
      const report = await client.machineReport(known.machine.id, known.version, until);
      if (report !== undefined) return report;
      throw new Fault("drain-ended", `The cluster does not know ${shownMachine(known.machine)} any more.`);
    } catch (error) {
      if (until.aborted || !isFault(error, "endpoint-unreachable", "api-503", "api-502")) throw error;
      await call.env.clock.sleep(askAgainMs, until);
    }
  }
}

function finish(call: Call, machine: MachineReport, code: number): number {
  if (call.flags.on("json")) printJson(call, machine);
  return code;
}

/** Says in one line each what has changed since the last report. */
class Narrator {
  readonly #write: (line: string) => void;
  #before = new Map<string, string>();
  /** What the drain waited for when nothing could move any more; empty while something can. */
  #stuck = "";

  constructor(call: Call) {
    this.#write = call.flags.on("json") ? () => undefined : (line) => call.stdout.write(`${line}\n`);
  }

  begin(machine: MachineReport): void {
    const leaving = machine.units.filter(({ state }) => state !== "global" && state !== "pinned").length;
    const most = machine.maxUnavailable ?? 1;
    this.#write(`Draining ${shownMachine(machine)}: ${leaving} unit(s) to move, at most ${most} at a time.`);
  }

  tell(machine: MachineReport): void {
    const now = new Map(machine.units.map((unit) => [unit.name, sentenceOf(unit)]));
    for (const [name, sentence] of now) {
      if (sentence !== undefined && this.#before.get(name) !== sentence) this.#write(`${name}: ${sentence}`);
    }
    // What a machine had that is gone may have found no other place.
    const gone = machine.present
      ? "has moved"
      : "left with its machine, which is away; argosy why tells more";
    for (const name of this.#before.keys()) if (!now.has(name)) this.#write(`${name}: ${gone}`);
    this.#before = new Map([...now].map(([name, sentence]) => [name, sentence ?? ""]));
    this.#tellStandstill(machine);
    if (machine.state !== "drained") return;
    const stay = machine.units.length;
    const rest = stay === 0 ? "nothing is left on it" : `${stay} unit(s) stay: ${namesOf(machine.units)}`;
    const away = machine.present ? "" : ", and it is away";
    this.#write(`Drained ${shownMachine(machine)}; ${rest}${away}.`);
    this.#write(`It takes no new units until: argosy uncordon ${machine.id.slice(0, 8)}`);
  }

  /** Without this a drain that waits for somebody to help would look like one that is slow. */
  #tellStandstill({ units }: MachineReport): void {
    const leaving = units.filter(({ state }) => state !== "global" && state !== "pinned");
    const standsStill = leaving.every(({ state, failed }) => state === "stays" || failed === true);
    const stuck = standsStill ? namesOf(leaving) : "";
    if (stuck !== "" && stuck !== this.#stuck)
      this.#write(`Nothing can move now; the drain waits for ${leaving.length} unit(s): ${stuck}.`);
    this.#stuck = stuck;
  }
}

const mostNames = 5;

function namesOf(units: readonly UnitOfMachine[]): string {
  const names = units.slice(0, mostNames).map(({ name, state }) => `${name} (${state})`);
  return names.join(", ") + (units.length > mostNames ? ", ..." : "");
}

/** What happens to a unit; undefined when nothing does yet. */
function sentenceOf({ state, to, failed, reasons = [] }: UnitOfMachine): string | undefined {
  const where = to === undefined ? "another machine" : shownMachine(to);
  switch (state) {
    case "here":
    case "waits":
      return undefined;
    case "global":
      return "stays, because it is global";
    case "pinned":
      return "stays, because it is pinned to this machine";
    case "stopping":
      return "stops here";
    case "starting":
      if (failed === true) return `failed on ${where} and goes on running here; argosy why tells more`;
      return `starts on ${where}`;
    case "left":
      if (to === undefined) return `stopped here; ${reasonsText(reasons)}`;
      return failed === true
        ? `failed on ${where}; argosy why tells more`
        : `stopped here and starts on ${where}`;
    case "stays":
      return `cannot leave yet: ${reasonsText(reasons)}`;
  }
}

function reasonsText(reasons: UnitOfMachine["reasons"] = []): string {
  const texts = reasons.map(({ machine, why }) =>
    machine === undefined ? why : `${shownMachine(machine)}: ${why}`,
  );
  return texts.slice(0, mostNames).join("; ") + (texts.length > mostNames ? "; ..." : "");
}
