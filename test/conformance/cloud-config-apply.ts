import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { filesToRead } from "../../src/cloudinit/actions.ts";
import { applyUserData, type NetworkFormat } from "../../src/cloudinit/apply.ts";
import type { Machine } from "../../src/cloudinit/carry-out.ts";
import { configDriveSource } from "../../src/cloudinit/datasources/config-drive.ts";
import type { Datasource, SourceAccess } from "../../src/cloudinit/datasources/datasource.ts";
import { fileSource } from "../../src/cloudinit/datasources/file.ts";
import { waagentSource } from "../../src/cloudinit/datasources/waagent.ts";
import { RootFiles } from "../../src/cloudinit/root-files.ts";

/** A case of the applier in the recorded format. */
export interface ApplyCase {
  readonly name: string;
  readonly tags: readonly string[];
  readonly datasource: "file" | "config-drive" | "waagent";
  readonly user_data?: string;
  readonly user_data_base64?: string;
  readonly tree?: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly existing_files: Readonly<Record<string, string>>;
  readonly expect: {
    readonly exit_code: number;
    readonly stdout: readonly string[];
    readonly failure: string | null;
    readonly calls: readonly unknown[];
    readonly files: Readonly<Record<string, RecordedFile>>;
    readonly password_hash?: Readonly<Record<string, string>>;
  };
}

type RecordedFile = { readonly mode: string; readonly content: string } | { readonly link: string };

/** What a run did. */
interface Outcome {
  readonly code: number;
  readonly stdout: readonly string[];
  readonly failures: readonly string[];
  readonly calls: readonly unknown[];
  readonly files: Readonly<Record<string, RecordedFile>>;
  readonly passwords: Readonly<Record<string, string>>;
}

/** Applies a case in a private root with recorders for programs and the service manager; the differences. */
export async function replayApply(each: ApplyCase): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "argosy-cloud-config-"));
  try {
    return differences(each, await runCase(each, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runCase(each: ApplyCase, folder: string): Promise<Outcome> {
  const root = join(folder, "root");
  layOut(root, each.existing_files);
  const before = filesBelow(root);
  const calls: unknown[] = [];
  const passwords: Record<string, string> = {};
  const failures: string[] = [];
  let stdout = "";
  const files = new RootFiles(root);
  const facts = {
    users: new Set(["root", "core"]),
    files: Object.fromEntries(
      filesToRead.flatMap((path) =>
        each.existing_files[path] === undefined ? [] : [[path, each.existing_files[path]]],
      ),
    ),
    sshKeyName: flag(each, "ssh-key-name") ?? "coreos-cloudinit",
  };
  const code = await applyUserData(
    sourceOf(each, join(folder, "source")),
    {
      ignoreFailure: each.flags.some((word) => /^--?ignore-failure(=true)?$/.test(word)),
      convertNetwork: flag(each, "convert-netconf") as NetworkFormat | undefined,
      workspace: flag(each, "workspace") ?? "/var/lib/coreos-cloudinit",
      variables: each.env,
    },
    {
      machine: recorder(files, root, calls, passwords),
      facts,
      journal: { note: () => {}, error: (sentence) => void failures.push(sentence) },
      print: (text) => void (stdout += text),
    },
  );
  const after = filesBelow(root);
  const changed = Object.entries(after).filter(([path, file]) => !isDeepStrictEqual(before[path], file));
  return {
    code,
    stdout: stdout === "" ? [] : stdout.replace(/\n$/, "").split("\n"),
    failures,
    calls,
    files: Object.fromEntries(changed),
    passwords,
  };
}

function flag({ flags }: ApplyCase, name: string): string | undefined {
  const joined = flags.findLast((word) => new RegExp(`^--?${name}=`).test(word));
  if (joined !== undefined) return joined.slice(joined.indexOf("=") + 1);
  const at = flags.findLastIndex((word) => new RegExp(`^--?${name}$`).test(word));
  return at < 0 ? undefined : flags[at + 1];
}

function layOut(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const place = join(folder, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, content);
    chmodSync(place, 0o644);
  }
}

function sourceOf(each: ApplyCase, folder: string): Datasource {
  layOut(folder, each.tree ?? {});
  if (each.datasource === "config-drive") return configDriveSource(folder, access);
  if (each.datasource === "waagent") return waagentSource(folder, access);
  const path = join(folder, "user_data");
  writeFileSync(path, each.user_data ?? Buffer.from(each.user_data_base64 ?? "", "base64"));
  return fileSource(path, access);
}

const access: SourceAccess = {
  readFile: async (path) => {
    try {
      return readFileSync(path);
    } catch {
      return undefined;
    }
  },
  get: async () => undefined,
  output: async () => undefined,
};

/** Files are real, below the root; everything else is written down in the recording's format. */
function recorder(
  files: RootFiles,
  root: string,
  calls: unknown[],
  passwords: Record<string, string>,
): Machine {
  return {
    writeFile: async (path, content, mode, owner) =>
      await files.write(path, content, mode, async (beside) => {
        if (owner !== undefined) calls.push({ exec: ["chown", owner, beside.slice(root.length)] });
      }),
    mask: async (path) => await files.mask(path),
    unmask: async (path) => await files.unmask(path),
    run: async (program, stdin) => {
      if (program[0]?.endsWith("/chpasswd") === true) {
        const [user = "", hash = ""] = (stdin ?? "").split(/:(.*)/s);
        passwords[user] = hash;
        return;
      }
      calls.push(
        stdin === undefined ? { exec: program } : { exec: program, stdin: stdin.trimEnd().split("\n") },
      );
    },
    authorizeKeys: async (user, name, keys) =>
      void calls.push({ exec: ["update-ssh-keys", "-u", user, "-a", name], stdin: keys }),
    fetchText: async (url) => {
      throw new Error(`${url} is out of reach`);
    },
    hostname: async () => hostname(),
    enable: async (unit, runtime) => void calls.push({ systemd: ["EnableUnitFiles", [unit], runtime, true] }),
    reload: async () => void calls.push({ systemd: ["Reload"] }),
    job: async (method, unit) => {
      calls.push({ systemd: [method, unit, "replace"] });
      return undefined;
    },
    linksDown: async () => {},
    script: async (content, workspace) => {
      const script = `${workspace}/scripts/1234`;
      const unit = "coreos-cloudinit-5678.service";
      await files.write(script, content, 0o744);
      calls.push({
        systemd: ["StartTransientUnit", unit, "replace"],
        properties: {
          Description: "Unit generated and executed by coreos-cloudinit on behalf of user",
          ExecStart: ["/bin/bash", script],
        },
      });
      await files.write(`${workspace}/scripts/unit-name`, Buffer.from(unit), 0o644);
    },
  };
}

function filesBelow(root: string): Record<string, RecordedFile> {
  const found: Record<string, RecordedFile> = {};
  for (const path of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    const place = join(root, path);
    const facts = lstatSync(place);
    if (facts.isSymbolicLink()) found[`/${path}`] = { link: readlinkSync(place) };
    if (facts.isFile()) {
      const mode = (facts.mode & 0o7777).toString(8).padStart(4, "0");
      found[`/${path}`] = { mode, content: readFileSync(place, "utf8") };
    }
  }
  return found;
}

function differences({ expect }: ApplyCase, got: Outcome): readonly string[] {
  const found: string[] = [];
  const compare = (what: string, one: unknown, other: unknown): void => {
    if (!matches(one, other)) found.push(`${what}: ${JSON.stringify(other)}, not ${JSON.stringify(one)}`);
  };
  compare("exit code", expect.exit_code, got.code);
  compare("stdout", expect.stdout, got.stdout);
  compare("calls", expect.calls, got.calls);
  if (expect.password_hash !== undefined) compare("passwords", expect.password_hash, got.passwords);
  if (expect.failure !== null && !got.failures.some((text) => matches(expect.failure, text))) {
    found.push(`failure: ${JSON.stringify(got.failures)}, not ${expect.failure}`);
  }
  const left = { ...got.files };
  for (const [path, file] of Object.entries(expect.files)) {
    const name = Object.keys(left).find((each) => matches(path, each));
    if (name === undefined) {
      found.push(`lacks the file ${path}`);
      continue;
    }
    compare(path, file, left[name]);
    delete left[name];
  }
  found.push(...Object.keys(left).map((path) => `writes ${path}`));
  return found;
}

/** Equal, where `*` stands for any letters without a slash and `${HOSTNAME}` for the name of this machine. */
function matches(want: unknown, got: unknown): boolean {
  if (typeof want === "string" && typeof got === "string") {
    const named = want.replaceAll("${HOSTNAME}", hostname());
    if (named === got) return true;
    const parts = named.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join("\\d+")}$`).test(got);
  }
  if (Array.isArray(want) && Array.isArray(got)) {
    return want.length === got.length && want.every((each, index) => matches(each, got[index]));
  }
  if (typeof want === "object" && want !== null && typeof got === "object" && got !== null) {
    const names = Object.keys(want);
    return (
      names.length === Object.keys(got).length &&
      names.every((name) => matches(Reflect.get(want, name), Reflect.get(got, name)))
    );
  }
  return Object.is(want, got);
}
