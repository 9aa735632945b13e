import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chown } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { type Facts, filesToRead, jobWord } from "./actions.ts";
import type { Machine } from "./carry-out.ts";
import type { SourceAccess } from "./datasources/datasource.ts";
import { RootFiles } from "./root-files.ts";

/** How long a program or a job may take: as long as the boot units of the original gave to everything. */
const programLimitMs = 10 * 60_000;
/** Characters of a program's complaint that are shown. */
const complaintLimit = 2_000;

/** What directives have to know of this machine. */
export async function realFacts(sshKeyName: string): Promise<Facts> {
  const root = new RootFiles("/");
  const files: Record<string, string> = {};
  for (const path of filesToRead) {
    const text = await root.text(path);
    if (text !== undefined) files[path] = text;
  }
  // The original's image shipped this file; without one, what is set stands alone.
  files["/usr/share/coreos/update.conf"] ??= "";
  const passwd = (await root.text("/etc/passwd")) ?? "";
  return { users: new Set(passwd.split("\n").map((line) => line.split(":", 1)[0] ?? "")), files, sshKeyName };
}

/**
 * The machine this runs on. systemd is spoken to through systemctl, which reaches it over its own socket before the
 * system bus is there.
 * @param waits whether jobs of units are waited for; at boot they are not, since a unit may be ordered behind this very run
 */
export function realMachine(access: SourceAccess, waits: boolean): Machine {
  const root = new RootFiles("/");
  const queue = waits ? [] : ["--no-block"];
  // A script was always run on a machine with a network; before there is one it waits in the queue, and nobody for it.
  const network = "network-online.target";
  const order = waits ? [] : [`--property=After=${network}`, `--property=Wants=${network}`];
  return {
    writeFile: async (path, content, mode, owner) =>
      await root.write(path, content, mode, async (beside) => {
        if (owner !== undefined) await run(["chown", owner, beside], undefined);
      }),
    mask: async (path) => await root.mask(path),
    unmask: async (path) => await root.unmask(path),
    run: async (program, stdin) => {
      // hostnamectl asks a service over the system bus; neither has to be there this early.
      if (!waits && program[0] === "hostnamectl") return await setHostname(root, program.at(-1) ?? "");
      await run(program, stdin);
    },
    authorizeKeys,
    fetchText: async (url) => {
      const body = await access.get(url);
      if (body === undefined)
        throw new Fault("no-answer", `Cannot fetch ${url}: there is nothing at this URL.`);
      return new TextDecoder().decode(body);
    },
    hostname: async () => hostname(),
    enable: async (unit, runtime) =>
      await run(
        ["systemctl", "enable", "--force", "--no-reload", ...(runtime ? ["--runtime"] : []), unit],
        undefined,
      ),
    reload: async () => await run(["systemctl", "daemon-reload"], undefined),
    job: async (method, unit) => {
      const { code, complaint } = await end([
        "systemctl",
        jobWord(method),
        "--job-mode=replace",
        ...queue,
        unit,
      ]);
      if (code === 0) return undefined;
      return complaint === "" ? `exit code ${code}` : complaint;
    },
    linksDown: async (names) => {
      const existing = networkInterfaces();
      for (const name of names.filter((each) => Object.hasOwn(existing, each))) {
        await run(["ip", "link", "set", name, "down"], undefined);
      }
    },
    script: async (content, workspace) => {
      const number = Math.floor(Math.random() * 1e9);
      const script = `${workspace}/scripts/${number}`;
      const unit = `coreos-cloudinit-${number}.service`;
      await root.write(script, content, 0o744);
      const about = "Unit generated and executed by coreos-cloudinit on behalf of user";
      await run(
        ["systemd-run", `--unit=${unit}`, `--description=${about}`, ...queue, ...order, "/bin/bash", script],
        undefined,
      );
      await root.write(`${workspace}/scripts/unit-name`, Buffer.from(unit), 0o644);
    },
  };
}

async function setHostname(root: RootFiles, name: string): Promise<void> {
  await root.write("/etc/hostname", Buffer.from(`${name}\n`), 0o644);
  await run(["hostname", "--", name], undefined);
}

async function run(program: readonly string[], stdin: string | undefined): Promise<void> {
  const { code, complaint } = await end(program, stdin);
  if (code === 0) return;
  throw new Fault("program-failed", `${program[0] ?? ""} failed with exit code ${code}: ${complaint}`);
}

interface Ended {
  readonly code: number;
  readonly complaint: string;
}

async function end([program = "", ...words]: readonly string[], stdin?: string): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const child = spawn(program, words, { stdio: ["pipe", "ignore", "pipe"], timeout: programLimitMs });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-complaintLimit);
  });
  child.stdin.on("error", () => {
    // A program that reads no input may end before it is written; its exit code tells whether that was all right.
  });
  child.stdin.end(stdin ?? "");
  child.on("error", (error) => {
    reject(new Fault("program-failed", `Cannot run ${program}: ${sentenceOf(error)}.`, { cause: error }));
  });
  child.on("close", (code) => {
    resolve({ code: code ?? 1, complaint: complaint.trim() });
  });
  return await promise;
}

/** CoreOS's own program where it is; else the same done here: one file for each name, and all of them in one for sshd. */
async function authorizeKeys(user: string, name: string, keys: readonly string[]): Promise<void> {
  const program = ["/usr/bin/update-ssh-keys", "/usr/sbin/update-ssh-keys"].find((path) => existsSync(path));
  if (program !== undefined) return await run([program, "-u", user, "-a", name], `${keys.join("\n")}\n`);
  if (name.includes("/") || name === "" || name.startsWith(".")) {
    throw new Fault(
      "bad-name",
      `Cannot install SSH keys under the name "${name}": it must not hold a slash.`,
    );
  }
  const { home, uid, gid } = await accountOf(user);
  // Links in a home folder are the user's: they must not lead a privileged process out of it.
  const files = new RootFiles(home);
  const folder = "/.ssh/authorized_keys.d";
  const own = async (path: string): Promise<void> => await chown(path, uid, gid);
  const kept = await files.names(folder);
  const before = kept.length === 0 ? await files.text("/.ssh/authorized_keys") : undefined;
  if (before !== undefined)
    await files.write(`${folder}/old_authorized_keys`, Buffer.from(before), 0o600, own);
  await files.write(`${folder}/${name}`, Buffer.from(`${keys.join("\n")}\n`), 0o600, own);
  const texts: string[] = [];
  for (const each of await files.names(folder)) texts.push((await files.text(`${folder}/${each}`)) ?? "");
  const all = texts.map((text) => (text.endsWith("\n") ? text : `${text}\n`)).join("");
  await files.write("/.ssh/authorized_keys", Buffer.from(all), 0o600, own);
  for (const path of ["/.ssh", folder]) await own(await files.place(path, true));
}

/** The account of a user. The user core is made when it is not there, since cloud-configs count on it. */
async function accountOf(user: string): Promise<{ home: string; uid: number; gid: number }> {
  const find = async (): Promise<readonly string[] | undefined> => {
    const passwd = (await new RootFiles("/").text("/etc/passwd")) ?? "";
    return passwd
      .split("\n")
      .map((line) => line.split(":"))
      .find(([name]) => name === user);
  };
  let found = await find();
  if (found === undefined && user === "core") {
    await run(["useradd", "--password", "*", "--create-home", "--shell", "/bin/bash", "core"], undefined);
    found = await find();
  }
  if (found === undefined) {
    throw new Fault(
      "no-such-user",
      `Cannot install SSH keys of ${user}: there is no such user; name it under users.`,
    );
  }
  return { uid: Number(found[2]), gid: Number(found[3]), home: found[5] ?? `/home/${user}` };
}
