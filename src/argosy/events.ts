import { type Command, exitCodes } from "../cli/command.ts";
import { gapText } from "../fleet/api-events.ts";
import { eventKinds } from "../fleet/events.ts";
import { withServiceSuffix } from "../unit/name.ts";
import { type ConnectFleet, connectFleet, endpointFlag, unitChoices } from "./connect.ts";
import { eventLine } from "./event-line.ts";

/** Every word that `--kind` takes. */
const kindWords = [...new Set([...eventKinds.map((kind) => kind.split(".")[0] ?? ""), ...eventKinds])];

/** `argosy events`: what happened in the cluster, and what happens. */
export function eventsCommand(connect: ConnectFleet = connectFleet): Command {
  return {
    name: "events",
    summary: "Show who changed what, what was decided and why, and how units and machines are",
    usage: "",
    description:
      "Prints the last events of the cluster, oldest first. With --follow it goes on with events as they happen, and " +
      "connects again when the API goes away. The cluster remembers about 2000 events.",
    flags: [
      endpointFlag,
      { name: "follow", short: "f", kind: "switch", summary: "go on with events as they happen" },
      {
        name: "lines",
        short: "n",
        kind: "number",
        summary: "how many of the last events to begin with",
        otherwise: "50",
      },
      {
        name: "after",
        kind: "text",
        placeholder: "ID",
        summary: "begin after the event with this id, whatever --lines says",
      },
      {
        name: "unit",
        kind: "text",
        placeholder: "UNIT",
        repeated: true,
        summary: "only events about this unit",
        choices: unitChoices(connect),
      },
      {
        name: "machine",
        kind: "text",
        placeholder: "ID",
        repeated: true,
        summary: "only events about this machine: its ID or the first eight characters",
      },
      {
        name: "kind",
        kind: "text",
        placeholder: "KIND",
        repeated: true,
        summary: "only events of this kind, such as decision or unit.created",
        choices: { words: kindWords },
      },
      { name: "json", kind: "switch", summary: "print each event as JSON on a line of its own" },
    ],
    arity: { least: 0, most: 0 },
    examples: [
      { line: "argosy events -f", meaning: "the last events, and those to come" },
      {
        line: "argosy events --unit web.service --kind decision",
        meaning: "where web.service was placed, and why",
      },
      { line: "argosy events --json --lines 1000", meaning: "for programs" },
    ],
    run: async (call) => {
      const { flags, stdout, stderr, signal } = call;
      const after = flags.text("after");
      const question = {
        units: flags.all("unit").map(withServiceSuffix),
        machines: flags.all("machine"),
        kinds: flags.all("kind"),
        follow: flags.on("follow"),
        ...(after === undefined ? { last: flags.number("lines") ?? 50 } : { after }),
      };
      for await (const event of connect(call).events(question, call.env, signal)) {
        if (event === "gap") stderr.write(`Note: ${gapText}.\n`);
        else stdout.write(`${flags.on("json") ? JSON.stringify(event) : eventLine(event)}\n`);
        await stdout.drained();
      }
      return exitCodes.done;
    },
  };
}
