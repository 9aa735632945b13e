import type { Action, Facts } from "../actions.ts";
import { goQuoted } from "../../lib/go-quote.ts";
import type { TypedStruct } from "../read-config.ts";
import { sshKeys } from "./ssh-keys.ts";

/** `users`: each is made, or gets its password when it exists; then come its keys. */
export function users(config: TypedStruct, facts: Facts): readonly Action[] {
  const existing = new Set(facts.users);
  return config.structs("users").flatMap((user): readonly Action[] => {
    const name = user.text("name");
    if (name === "") return [{ kind: "note", sentence: "User object has no 'name' field, skipping" }];
    const known = existing.has(name);
    existing.add(name);
    return [...(known ? password(user, name) : newUser(user, name)), ...keys(user, name, facts)];
  });
}

function password(user: TypedStruct, name: string): readonly Action[] {
  const hash = user.text("passwd");
  if (hash === "") return [];
  return [{ kind: "run", program: ["/usr/sbin/chpasswd", "-e"], stdin: `${name}:${hash}`, access: true }];
}

function newUser(user: TypedStruct, name: string): readonly Action[] {
  const value = (flag: string, key: string): string[] =>
    user.text(key) === "" ? [] : [flag, user.text(key)];
  const mark = (flag: string, key: string): string[] => (user.on(key) ? [flag] : []);
  const gecos = user.text("gecos");
  const groups = user.texts("groups");
  const words = [
    "--password",
    user.text("passwd") || "*",
    // The original quotes the name, and so it ends up in /etc/passwd with its quotes.
    ...(gecos === "" ? [] : ["--comment", goQuoted(gecos)]),
    ...value("--home-dir", "homedir"),
    user.on("no_create_home") ? "--no-create-home" : "--create-home",
    ...value("--gid", "primary_group"),
    ...(groups.length === 0 ? [] : ["--groups", groups.join(",")]),
    ...mark("--no-user-group", "no_user_group"),
    ...mark("--system", "system"),
    ...mark("--no-log-init", "no_log_init"),
    ...value("--shell", "shell"),
  ];
  return [{ kind: "run", program: ["useradd", ...words, name], access: true }];
}

function keys(user: TypedStruct, name: string, { sshKeyName }: Facts): readonly Action[] {
  const github = [user.text("coreos_ssh_import_github"), ...user.texts("coreos_ssh_import_github_users")];
  const url = user.text("coreos_ssh_import_url");
  return [
    ...sshKeys(name, sshKeyName, user.texts("ssh_authorized_keys")),
    ...github
      .filter((account) => account !== "")
      .map(
        (account): Action => ({
          kind: "fetch-keys",
          user: name,
          name: `github-${account}`,
          url: `https://api.github.com/users/${account}/keys`,
        }),
      ),
    ...(url === ""
      ? []
      : [{ kind: "fetch-keys", user: name, name: `coreos-cloudinit-${name}`, url } as const]),
  ];
}
