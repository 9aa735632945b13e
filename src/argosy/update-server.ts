import { type Call, type Command, type CommandGroup, exitCodes, type Flag } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault } from "../lib/fault.ts";
import { spacedTable } from "../lib/table.ts";
import { wordsOf } from "../update/error-codes.ts";
import type { Channel, Release } from "../update/server-records.ts";
import { UpdateRegistry } from "../update/update-registry.ts";
import { compareVersions, isVersion } from "../update/version-order.ts";
import { type OpenStore, ownStore, readSpec, withStore } from "./store-flags.ts";
import { updateGroupCommand } from "./update-group.ts";
import { timeText, told } from "./update-output.ts";
import {
  checkedName,
  dryRunFlag,
  expectNamed,
  forget,
  webFolder,
  type WithRegistry,
} from "./update-records.ts";
import { readRelease } from "./update-release.ts";
import { type ServeUpdates, updateServeCommand, updateStoreFlag } from "./update-server-serve.ts";

/** `argosy update-server`: who gets which version of the operating system, and when. */
export function updateServerCommand(serve: ServeUpdates, open: OpenStore): CommandGroup {
  const withRegistry: WithRegistry = async (call, work) =>
    await withStore(
      call,
      open,
      readSpec(call.flags.text("store") ?? ownStore),
      async (store) => await work(new UpdateRegistry(call.env, store)),
    );
  return {
    name: "update-server",
    summary: "Serve updates of the operating system, and steer who gets which",
    description:
      "A release is a version with its signed files; a channel names the release that is current; a group of machines has a " +
      "channel and rules for the roll-out. All commands but serve change records in the store and work from every machine " +
      "that reaches it; servers heed them at once.",
    commands: [
      updateServeCommand(serve),
      release(withRegistry),
      channel(withRegistry),
      updateGroupCommand(withRegistry),
      machines(withRegistry),
      halt(withRegistry),
      resume(withRegistry),
    ],
  };
}

function release(withRegistry: WithRegistry): Command {
  return {
    name: "release",
    summary: "Show the releases, make one known, or forget one",
    usage: "[VERSION]",
    description:
      "With a version and --from, reads SHA256SUMS in the folder, checks every file of the version, and makes it known; no " +
      "machine gets it before a channel names it. Machines fetch it from --url, or from the servers, which look for it in " +
      "the folder VERSION of their --images.",
    flags: [
      updateStoreFlag,
      { name: "from", kind: "text", placeholder: "DIR", summary: "the folder with the version's files" },
      {
        name: "url",
        kind: "text",
        placeholder: "URL",
        repeated: true,
        summary: "the folder as machines reach it; given several times, they are tried in order",
      },
      { name: "remove", kind: "switch", summary: "forget the version; its files stay" },
      jsonFlag,
    ],
    arity: { least: 0, most: 1 },
    examples: [
      {
        line: "argosy update-server release 0.2.0 --from /srv/images/0.2.0",
        meaning: "makes a version known",
      },
      { line: "argosy update-server release", meaning: "all versions" },
    ],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const [version] = call.arguments;
        expectNamed(call, { changing: ["from", "url", "remove"], usage: "release VERSION" });
        if (version === undefined) return await listReleases(call, registry);
        if (!isVersion(version))
          throw new Fault(
            "bad-version",
            `"${version}" cannot be a version; versions begin with a digit, as 1.2.3 does`,
          );
        if (call.flags.on("remove")) return await forgetRelease(call, registry, version);
        const from = call.flags.text("from");
        if (from === undefined && call.flags.given("url"))
          throw new Fault("bad-flags", "--url is told with the release's files; give --from DIR with it");
        if (from === undefined) return await showRelease(call, registry, version);
        const urls = call.flags.all("url").map(webFolder);
        const made = await readRelease(from, version, urls);
        await registry.putRelease(made);
        return told(
          call,
          `${version} is known: ${made.packages.length - 1} files, ${megabytes(made)} MB.`,
          made,
        );
      }),
  };
}

/** Forgets a release that no channel stands for. Throws Fault `release-in-use`. */
async function forgetRelease(call: Call, registry: UpdateRegistry, version: string): Promise<number> {
  const user = (await registry.channels()).find(
    (each) => each.version === version || each.floors.includes(version),
  );
  if (user !== undefined)
    throw new Fault(
      "release-in-use",
      `the channel ${user.name} leads machines to ${version}; set it to another version first`,
    );
  return await forget(call, registry, "release", version);
}

async function listReleases(call: Call, registry: UpdateRegistry): Promise<number> {
  const releases = [...(await registry.releases())].sort((a, b) => compareVersions(b.version, a.version));
  if (call.flags.on("json")) return printed(call, releases);
  const rows = releases.map((each) => [
    each.version,
    String(each.packages.length - 1),
    megabytes(each),
    each.urls.join(" ") || "(the servers)",
  ]);
  return table(call, [["VERSION", "FILES", "MB", "FROM"], ...rows]);
}

async function showRelease(call: Call, registry: UpdateRegistry, version: string): Promise<number> {
  const found = (await registry.releases()).find((each) => each.version === version);
  if (found === undefined)
    throw new Fault("no-such-release", `there is no release ${version}; make it known with --from DIR`);
  if (call.flags.on("json")) return printed(call, found);
  return table(call, [
    ["FILE", "BYTES", "SHA256"],
    ...found.packages.map(({ name, size, sha256 }) => [name, String(size), sha256 ?? ""]),
  ]);
}

function megabytes({ packages }: Release): string {
  return (packages.reduce((sum, { size }) => sum + size, 0) / 1e6).toFixed(1);
}

function channel(withRegistry: WithRegistry): Command {
  return {
    name: "channel",
    summary: "Show the channels, or set which version one stands for",
    usage: "[NAME [VERSION]]",
    description:
      "The machines of a channel's groups get its version, within their groups' rules. A version that is older than what runs is " +
      "given to nobody. A floor is a version that older machines have to run before they get the channel's.",
    flags: [
      updateStoreFlag,
      {
        name: "floor",
        kind: "text",
        placeholder: "VERSION",
        repeated: true,
        summary: "a version to pass through, may be given several times; replaces those before",
      },
      { name: "remove", kind: "switch", summary: "forget the channel" },
      dryRunFlag,
      jsonFlag,
    ],
    arity: { least: 0, most: 2 },
    examples: [
      { line: "argosy update-server channel stable 0.2.0", meaning: "stable is 0.2.0 from now on" },
      { line: "argosy update-server channel", meaning: "all channels" },
    ],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const [name, version] = call.arguments;
        expectNamed(call, { changing: ["remove"], usage: "channel NAME" });
        expectNamed(call, { changing: ["floor"], usage: "channel NAME VERSION", words: 2 });
        if (name !== undefined && call.flags.on("remove"))
          return await forget(call, registry, "channel", checkedName(name), call.flags.on("dry-run"));
        if (name !== undefined && version !== undefined)
          return await setChannel(call, registry, checkedName(name), version);
        const channels = (await registry.channels()).filter(
          (each) => name === undefined || each.name === name,
        );
        if (name !== undefined && channels.length === 0)
          throw new Fault(
            "no-such-channel",
            `there is no channel ${name}; make it with argosy update-server channel ${name} VERSION`,
          );
        if (call.flags.on("json")) return printed(call, channels);
        const rows = channels.map((each) => [each.name, each.version, each.floors.join(" ") || "-"]);
        return table(call, [["CHANNEL", "VERSION", "FLOORS"], ...rows]);
      }),
  };
}

async function setChannel(
  call: Call,
  registry: UpdateRegistry,
  name: string,
  version: string,
): Promise<number> {
  const known = new Set((await registry.releases()).map((each) => each.version));
  const floors = call.flags.given("floor") ? call.flags.all("floor") : undefined;
  for (const each of [version, ...(floors ?? [])]) {
    if (!known.has(each))
      throw new Fault(
        "no-such-release",
        `there is no release ${each}; make it known with argosy update-server release ${each} --from DIR`,
      );
  }
  const change = (before: Channel | undefined): Channel => ({
    name,
    version,
    floors: floors ?? before?.floors ?? [],
  });
  if (call.flags.on("dry-run")) {
    const before = await registry.channel(name);
    const was = before === undefined ? "is not there yet" : `is ${before.version}`;
    return told(call, `${name} ${was}, and would be ${version}.`, change(before));
  }
  const made = await registry.changeChannel(name, change);
  return told(call, `${name} is ${version}.`, made);
}

function machines(withRegistry: WithRegistry): Command {
  return {
    name: "machines",
    summary: "Show the machines that ask, with version and state",
    usage: "",
    description: "One line for each machine: what it runs, how far its update is, and when it was heard of.",
    flags: [
      updateStoreFlag,
      { name: "group", kind: "text", placeholder: "NAME", summary: "only those of this group" },
      {
        name: "forget",
        kind: "text",
        placeholder: "ID",
        summary: "forget this machine; it is known again when it asks",
      },
      jsonFlag,
    ],
    arity: { least: 0, most: 0 },
    examples: [
      { line: "argosy update-server machines --group stable", meaning: "who runs what in this group" },
    ],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const gone = call.flags.text("forget");
        if (gone !== undefined) return await forget(call, registry, "machine", checkedName(gone));
        const wanted = call.flags.text("group");
        const found = (await registry.machines()).filter(
          ({ group }) => wanted === undefined || group === wanted,
        );
        if (call.flags.on("json")) return printed(call, found);
        const rows = found.map((each) => [
          each.alias === "" ? each.id.slice(0, 8) : each.alias,
          each.address,
          each.group,
          each.version,
          each.status,
          timeText(each.seenMs),
          each.errorCode === undefined ? "" : wordsOf(each.errorCode),
        ]);
        return table(call, [
          ["MACHINE", "ADDRESS", "GROUP", "VERSION", "STATE", "SEEN", "LAST ERROR"],
          ...rows,
        ]);
      }),
  };
}

function halt(withRegistry: WithRegistry): Command {
  return {
    name: "halt",
    summary: "Give no update to anybody, until resumed",
    usage: "[REASON]",
    description:
      "Takes effect at the next request to any server. Machines that have an update already keep it.",
    flags: [updateStoreFlag, jsonFlag],
    examples: [{ line: 'argosy update-server halt "0.3.0 loses routes"', meaning: "stops all roll-outs" }],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const reason = call.arguments.join(" ");
        await registry.setHalt(reason);
        return told(call, "Nobody is given updates any more; argosy update-server resume ends that.", {
          halted: true,
          reason,
        });
      }),
  };
}

function resume(withRegistry: WithRegistry): Command {
  return {
    name: "resume",
    summary: "End a halt",
    usage: "",
    description: "Roll-outs go on where they stopped.",
    flags: [updateStoreFlag, jsonFlag] as readonly Flag[],
    arity: { least: 0, most: 0 },
    examples: [{ line: "argosy update-server resume", meaning: "updates are given again" }],
    run: async (call) =>
      await withRegistry(call, async (registry) => {
        const was = (await registry.halted()) !== undefined;
        await registry.setHalt(undefined);
        return told(call, was ? "Updates are given again." : "Updates were not halted.", {
          halted: false,
          was,
        });
      }),
  };
}

function printed(call: Call, value: unknown): number {
  printJson(call, value);
  return exitCodes.done;
}

function table(call: Call, rows: readonly (readonly string[])[]): number {
  for (const line of spacedTable(rows)) call.stdout.write(`${line.trimEnd()}\n`);
  return exitCodes.done;
}
