import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault } from "../lib/fault.ts";
import { type LabOptions, labUp } from "../lab/lab.ts";
import { builtProduct } from "../lab/product.ts";
import { checkLabName, cloudConfigWays } from "../lab/layout.ts";
import { cloudConfigOf } from "./lab-cloud-config.ts";
import { labName, machineTable, nameFlag, progressOf } from "./lab-flags.ts";

/** `argosy lab up`. */
export const labUpCommand: Command = {
  name: "up",
  summary: "Bring a lab up: make it, add machines, boot those that are off",
  usage: "",
  description:
    "Builds the machines' root file system on first use and keeps it, makes the machines that are missing, boots " +
    "those that are off, and returns when every machine's fleet lists all of them. Machines that run are left alone, " +
    "so it can be repeated at any time and completes what an interrupted one began. With three machines or more the " +
    "first three are members of the store (etcd), below that only the first. With --cloud-config machines have what an " +
    "image has and know nothing but the file, which is checked before anything is made; machines that are added later " +
    "get the same file.",
  flags: [
    nameFlag,
    {
      name: "machines",
      kind: "number",
      summary: "how many machines it has at least (a new lab: 3)",
      placeholder: "N",
    },
    {
      name: "members",
      kind: "number",
      summary: "how many of the first machines run etcd: 1, 3 or 5 (new labs only)",
      placeholder: "N",
    },
    {
      name: "embedded",
      kind: "switch",
      summary: "the first machine keeps the store alone, without etcd (new labs only)",
    },
    {
      name: "discovery",
      kind: "text",
      summary: "the machines find each other by this discovery token (new labs only)",
      placeholder: "URL",
    },
    {
      name: "metadata",
      kind: "text",
      summary: "metadata of every machine (new labs only)",
      placeholder: "NAME=VALUE",
      repeated: true,
    },
    {
      name: "cloud-config",
      kind: "text",
      summary: "the machines know nothing but this file (new labs only)",
      placeholder: "FILE",
    },
    {
      name: "cloud-config-by",
      kind: "text",
      summary: `how it gets into them: ${cloudConfigWays.join(" or ")} (new labs only)`,
      placeholder: "WAY",
      otherwise: "credential",
      choices: { words: cloudConfigWays },
    },
    { name: "plain", kind: "switch", summary: "plain Debian machines, without Argosy in them" },
    jsonFlag,
  ],
  arity: { least: 0, most: 0 },
  examples: [
    { line: "argosy lab up", meaning: "three machines that are one cluster" },
    { line: "argosy lab up --name second --machines 5", meaning: "another lab beside it, with five" },
    {
      line: "argosy lab up --machines 5 --cloud-config cloud-config.yml",
      meaning: "five machines that make themselves what the file says",
    },
  ],
  run: async (call) => {
    const store = await storeOf(call);
    const name = checkLabName(labName(call));
    const start = call.env.clock.monotonic();
    const progress = progressOf(call);
    const machines = call.flags.number("machines");
    const members = call.flags.number("members");
    const lab = await labUp({
      name,
      ...(machines === undefined ? {} : { machines }),
      ...(members === undefined ? {} : { members }),
      ...store,
      ...(call.flags.given("metadata") ? { metadata: call.flags.all("metadata") } : {}),
      ...(call.flags.on("plain") ? {} : { product: await builtProduct(progress) }),
      progress,
      signal: call.signal,
    });
    const status = await lab.status();
    const seconds = (call.env.clock.monotonic() - start) / 1000;
    if (call.flags.on("json")) {
      printJson(call, { ...status, seconds });
      return exitCodes.done;
    }
    const alone = call.flags.on("plain") || !lab.isOneCluster;
    const is = alone ? "is up" : "is a working cluster";
    call.stdout.write(machineTable(status.machines));
    call.stdout.write(`Lab "${lab.name}" ${is} after ${seconds.toFixed(1)} s.\n`);
    return exitCodes.done;
  },
};

/** How the lab's machines find their store, as the flags say. Throws Fault `bad-flags`, and what `cloudConfigOf` throws. */
async function storeOf(call: Call): Promise<Pick<LabOptions, "store" | "cloudConfig">> {
  const path = call.flags.text("cloud-config");
  if (path !== undefined) return await cloudConfigOf(call, path);
  if (call.flags.given("cloud-config-by"))
    throw new Fault(
      "bad-flags",
      "--cloud-config-by says how a file gets into machines: name it with --cloud-config",
    );
  const url = call.flags.text("discovery");
  if (url !== undefined && call.flags.on("embedded"))
    throw new Fault("bad-flags", "a lab begins in one way: give --embedded or --discovery, not both");
  if (url !== undefined) return { store: { by: "token", url } };
  return call.flags.on("embedded") ? { store: { by: "embedded" } } : {};
}
