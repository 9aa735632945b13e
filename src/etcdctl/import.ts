import type { Call, Command } from "../cli/command.ts";
import { KeysClient } from "../keys/client-keys.ts";
import type { Connect } from "./connect.ts";
import { type OldKey, oldKeys, readOldSnapshot } from "./old-snapshot.ts";
import { badFlag, exits, mistaken, settle } from "./outcome.ts";

/** Keys that would expire sooner get this long, in s, so that their owners find the new cluster (etcdctl 2.3). */
const leastTtl = 300;
const mostClients = 100;

/** `etcdctl import`: sets every key of a snapshot of etcd 0.4. */
export function importCommand(connect: Connect): Command {
  return {
    name: "import",
    summary: "Set every key of a snapshot of etcd 0.4",
    usage: "",
    description:
      "Sets the keys that a snapshot of etcd 0.4 holds, and overwrites those that are there. Hidden keys come only with --hidden. Keys with less than 300 seconds to live get 300.",
    flags: [
      { name: "snap", kind: "text", placeholder: "FILE", summary: "the snapshot", otherwise: "" },
      {
        name: "hidden",
        kind: "text",
        placeholder: "DIR",
        summary: "a hidden directory to import as well",
        repeated: true,
      },
      { name: "c", kind: "number", placeholder: "COUNT", summary: "requests at a time", otherwise: "10" },
    ],
    examples: [
      {
        line: "etcdctl import --snap /var/lib/etcd/snapshot/1_3058.ss --hidden /_etcd",
        meaning: "all keys and those in /_etcd",
      },
    ],
    run: async (call) => await settle(call, "bare", async () => await run(call, connect)),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const path = call.flags.text("snap") ?? "";
  if (path === "") throw mistaken("no snapshot file provided (use --snap)");
  const count = call.flags.number("c") ?? 0;
  if (count < 1 || count > mostClients) throw badFlag(`-c is a number from 1 to ${mostClients}`);
  const text = await call.files.read(path);
  if (text === undefined) throw mistaken(`cannot read snapshot file ${path}`);
  const root = readOldSnapshot(text);
  const wanted = ["/", ...call.flags.all("hidden")].flatMap((directory) => {
    const keys = oldKeys(root, directory);
    if (keys === undefined) throw mistaken(`there is no ${directory} in ${path}`);
    return keys;
  });
  const client = new KeysClient(await connect(call, { sync: true, eachAlone: true }));
  call.stdout.write(`starting to import snapshot ${path} with ${count} clients\n`);
  const left = wanted[Symbol.iterator]();
  let failed = false;
  const work = async (): Promise<void> => {
    for (const old of left) {
      if (failed) return;
      try {
        await client.put(old.key, { value: old.value, ttl: ttlOf(call, old) });
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: count }, work));
  call.stdout.write(`finished importing ${wanted.length} keys\n`);
  return exits.done;
}

/** Seconds; 0: none. */
function ttlOf(call: Call, { key, deadlineMs }: OldKey): number {
  if (deadlineMs === undefined) return 0;
  const left = Math.ceil((deadlineMs - call.env.clock.now()) / 1000);
  if (left >= leastTtl) return left;
  call.stderr.write(`extending key ${key}'s ttl to ${leastTtl} seconds\n`);
  return leastTtl;
}
