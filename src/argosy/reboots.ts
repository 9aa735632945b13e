import { type Call, type Command, exitCodes, type Flag } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { ClusterClient } from "../keys/client.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { Fault } from "../lib/fault.ts";
import { spacedTable } from "../lib/table.ts";
import { AllGroups, type GroupPicture } from "../locksmith/all-groups.ts";
import type { Lease } from "../locksmith/reboot-lock.ts";

const defaultEndpoint = "http://127.0.0.1:4001";
const headLimitMs = 5_000;
/** For all requests of the command. */
const wholeLimitMs = 60_000;

const endpointFlag: Flag = {
  name: "endpoint",
  kind: "text",
  placeholder: "URL,...",
  summary: `the servers of the keys API (default ${defaultEndpoint})`,
  otherwise: defaultEndpoint,
  variable: "LOCKSMITHCTL_ENDPOINT",
};

/** `argosy reboots`: the reboot locks of all groups, and the halt of all of them. */
export function rebootsCommand(connect: (call: Call) => AllGroups = connectGroups): Command {
  return {
    name: "reboots",
    summary: "Show who may reboot; stop and resume all reboots",
    usage: "[halt [REASON] | resume]",
    description:
      "Without an argument, prints the reboot locks of every group: free slots, slots in all, and who holds one, with what " +
      "is left of the lease. halt has every lock of Argosy refused from now on, in all groups, until resume; machines " +
      "that hold a slot keep it. locksmithctl of CoreOS knows nothing of a halt: for its machines, set the slots to 0.",
    flags: [endpointFlag, jsonFlag],
    choices: { words: ["halt", "resume"] },
    examples: [
      { line: "argosy reboots", meaning: "all groups" },
      { line: 'argosy reboots halt "the shop is busy"', meaning: "nobody begins to reboot" },
      { line: "argosy reboots resume", meaning: "they may again" },
    ],
    run: async (call) => {
      const [deed, ...words] = call.arguments;
      const groups = connect(call);
      if (deed === undefined) return await show(call, groups);
      if (deed === "halt") return await halt(call, groups, words.join(" "));
      if (deed === "resume" && words.length === 0) return await resume(call, groups);
      throw new Fault(
        "bad-argument",
        `cannot ${call.arguments.join(" ")} reboots; give halt, resume or nothing`,
      );
    },
  };
}

function connectGroups(call: Call): AllGroups {
  const begin = call.env.clock.monotonic();
  const client = new ClusterClient({
    transport: clientTransport({ keyFile: "", certFile: "", caFile: "" }),
    endpoints: (call.flags.text("endpoint") ?? defaultEndpoint).split(","),
    authorization: "",
    headLimitMs,
    leftMs: () => wholeLimitMs - (call.env.clock.monotonic() - begin),
    onRequest: () => {},
    signal: call.signal,
  });
  return new AllGroups(call.env, new KeysClient(client));
}

async function show(call: Call, groups: AllGroups): Promise<number> {
  const pictures = await groups.pictures();
  const halted = pictures[0]?.halted;
  if (call.flags.on("json")) {
    printJson(call, { halted: halted ?? null, groups: pictures.map(groupJson) });
    return exitCodes.done;
  }
  if (halted !== undefined) {
    const reason = halted.reason === "" ? "" : `: ${halted.reason}`;
    call.stdout.write(`Reboots are halted since ${halted.since}${reason}\n\n`);
  }
  const rows = pictures.map(({ group, semaphore, leases }) => [
    group === "" ? "(default)" : group,
    String(semaphore.free),
    String(semaphore.max),
    semaphore.holders.map((id) => `${id}${leaseText(leases.get(id))}`).join(", ") || "-",
  ]);
  for (const line of spacedTable([["GROUP", "FREE", "MAX", "HOLDERS"], ...rows])) {
    call.stdout.write(`${line}\n`);
  }
  return exitCodes.done;
}

function groupJson({ group, semaphore, leases }: GroupPicture): object {
  const { free, max, holders } = semaphore;
  return {
    group,
    available: free,
    max,
    holders: holders.map((id) => ({ id, lease: leases.get(id) ?? null })),
  };
}

function leaseText(lease: Lease | undefined): string {
  if (lease === undefined) return "";
  return lease.leftSeconds === 0 ? " (lease ended)" : ` (${lease.leftSeconds}s left)`;
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
