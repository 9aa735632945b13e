import { type Call, type Command, exitCodes } from "../cli/command.ts";
import { jsonFlag, printJson } from "../cli/json.ts";
import { Fault } from "../lib/fault.ts";
import { type Migration, migrateStore } from "../store/transfer/migrate.ts";
import {
  assertStored,
  dryRunFlag,
  fromFlag,
  isSame,
  nameOf,
  type OpenStore,
  progressOn,
  replaceFlag,
  sizeText,
  storeNamed,
  type StoreSpec,
  toFlag,
  withStore,
} from "./store-flags.ts";

/** `argosy store migrate`. */
export function storeMigrateCommand(open: OpenStore): Command {
  return {
    name: "migrate",
    summary: "Copy everything from one store to another, and compare both",
    usage: "",
    description:
      "Carries all data of Argosy over: units, machines, the keys of the v2 API with their indices and times to live. " +
      "Nothing may write to either store meanwhile, so stop fleet and etcd first; a change of the source is noticed and " +
      "refused. The source stays as it is. Signs of life of machines get a new lease of their usual time.",
    flags: [fromFlag, toFlag, replaceFlag, dryRunFlag, jsonFlag],
    arity: { least: 0, most: 0 },
    examples: [
      {
        line: "argosy store migrate --from embedded:/var/lib/argosy/store --to http://10.0.0.11:2379,http://10.0.0.12:2379",
        meaning: "from one machine to a cluster",
      },
      {
        line: "argosy store migrate --from http://127.0.0.1:2379 --to embedded:/var/lib/argosy/store --dry-run",
        meaning: "see what going back would carry",
      },
    ],
    async run(call) {
      const [from, to] = [storeNamed(call, "from"), storeNamed(call, "to")];
      if (isSame(from, to))
        throw new Fault("same-store", `Cannot copy ${nameOf(from)} to itself: give another store with --to.`);
      assertStored(from);
      const startMs = call.env.clock.monotonic();
      const { progress, end } = progressOn(call);
      const migration = await withStore(call, open, from, (source) =>
        withStore(call, open, to, (target) =>
          migrateStore(source, target, {
            replace: call.flags.on("replace"),
            dryRun: call.flags.on("dry-run"),
            progress,
          }).finally(end),
        ),
      );
      report(call, from, to, migration, (call.env.clock.monotonic() - startMs) / 1_000);
      return exitCodes.done;
    },
  };
}

function report(call: Call, from: StoreSpec, to: StoreSpec, migration: Migration, seconds: number): void {
  const dryRun = call.flags.on("dry-run");
  if (call.flags.on("json")) {
    printJson(call, { from: nameOf(from), to: nameOf(to), dryRun, ...migration, seconds });
    return;
  }
  const { entries, size, leased, checksum, targetWasEmpty } = migration;
  const what = `${entries} entries (${sizeText(size)}) and ${leased} signs of life`;
  if (dryRun) {
    const target = targetWasEmpty ? "is empty" : "holds data already: --replace would delete it";
    call.stdout.write(`Would copy ${what} from ${nameOf(from)} to ${nameOf(to)}, which ${target}.\n`);
    return;
  }
  call.stdout.write(`Copied ${what} from ${nameOf(from)} to ${nameOf(to)} in ${seconds.toFixed(1)} s.\n`);
  call.stdout.write(`Both hold ${entries} entries with checksum ${checksum}.\n`);
}
