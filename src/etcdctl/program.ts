import type { Command, CommandGroup } from "../cli/command.ts";
import { withCompletion } from "../cli/completion.ts";
import { authDisable } from "./auth-disable.ts";
import { authEnable } from "./auth-enable.ts";
import { backupCommand } from "./backup.ts";
import { clusterHealth } from "./cluster-health.ts";
import { connectWith, globalFlags, type Outside } from "./connect.ts";
import { execWatch } from "./exec-watch.ts";
import { get } from "./get.ts";
import { importCommand } from "./import.ts";
import { ls } from "./ls.ts";
import { memberAdd } from "./member-add.ts";
import { memberList } from "./member-list.ts";
import { memberRemove } from "./member-remove.ts";
import { memberUpdate } from "./member-update.ts";
import { mk } from "./mk.ts";
import { mkdir } from "./mkdir.ts";
import { exits } from "./outcome.ts";
import { rm } from "./rm.ts";
import { rmdir } from "./rmdir.ts";
import { roleAdd } from "./role-add.ts";
import { roleGet } from "./role-get.ts";
import { roleGrant, roleRevoke } from "./role-permissions.ts";
import { roleList } from "./role-list.ts";
import { roleRemove } from "./role-remove.ts";
import { set } from "./set.ts";
import { setdir } from "./setdir.ts";
import { update } from "./update.ts";
import { updatedir } from "./updatedir.ts";
import { userAdd } from "./user-add.ts";
import { userGet } from "./user-get.ts";
import { userGrant } from "./user-grant.ts";
import { userList } from "./user-list.ts";
import { userPasswd } from "./user-passwd.ts";
import { userRemove } from "./user-remove.ts";
import { userRevoke } from "./user-revoke.ts";
import { watch } from "./watch.ts";

/** The release of etcd whose etcdctl this one follows; scripts look at it to know what they may use. */
const followed = "3.4.23";

/**
 * etcdctl (v2) as a value.
 * @param version of the product, told in help
 */
export function etcdctlProgram(outside: Outside, version: string): CommandGroup {
  const connect = connectWith(outside);
  const keys = [get, ls, mk, mkdir, rm, rmdir, set, setdir, update, updatedir, watch, clusterHealth];
  return withCompletion({
    name: "etcdctl",
    summary: "Read, write and watch keys of the v2 API",
    description:
      "Speaks to the etcd v2 API, which Argosy serves on every machine. Without flags it asks 127.0.0.1.",
    version: `${followed} (Argosy ${version})`,
    versionText: `etcdctl version: ${followed}\nAPI version: 2\n`,
    refusal: {
      usageCode: exits.failed,
      unknownCommand: (name) => ({ text: `No help topic for '${name}'\n`, code: exits.unknownCommand }),
    },
    flags: globalFlags,
    commands: [
      ...keys.map((verb) => verb(connect)),
      execWatch(connect, outside),
      group("member", "List, add, remove and change members", [
        memberList(connect),
        memberAdd(connect),
        memberRemove(connect),
        memberUpdate(connect),
      ]),
      group("user", "Manage users", [
        userAdd(connect, outside),
        userGet(connect),
        userList(connect),
        userRemove(connect),
        userGrant(connect),
        userRevoke(connect),
        userPasswd(connect, outside),
      ]),
      group("role", "Manage roles", [
        roleAdd(connect),
        roleGet(connect),
        roleList(connect),
        roleRemove(connect),
        roleGrant(connect),
        roleRevoke(connect),
      ]),
      group("auth", "Turn access rules on and off", [authEnable(connect), authDisable(connect)]),
      backupCommand,
      importCommand(connect),
    ],
  });
}

function group(name: string, summary: string, commands: readonly Command[]): CommandGroup {
  return { name, summary, description: `${summary}.`, commands };
}
