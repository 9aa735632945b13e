import type { CommandGroup } from "../cli/command.ts";
import { storeBackupCommand } from "./store-backup.ts";
import { storeCheckCommand } from "./store-check.ts";
import type { OpenStore } from "./store-flags.ts";
import { storeMigrateCommand } from "./store-migrate.ts";
import { storeRestoreCommand } from "./store-restore.ts";

/** `argosy store`: the data below everything else. */
export function storeCommand(open: OpenStore): CommandGroup {
  return {
    name: "store",
    summary: "Move, back up, restore and check what the cluster keeps",
    description:
      "A store is embedded:DIR, the file of a single machine, or the client addresses of an etcd with commas between. A store " +
      "that a running machine has open is reached at its address, such as http://127.0.0.1:2379.",
    commands: [
      storeMigrateCommand(open),
      storeBackupCommand(open),
      storeRestoreCommand(open),
      storeCheckCommand(open),
    ],
  };
}
