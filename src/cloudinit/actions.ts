/**
 * One thing to do on a machine. Directives return lists of these; one edge carries them out (`carry-out.ts`), in order,
 * until one fails.
 */
export type Action =
  | {
      readonly kind: "write-file";
      /** Absolute and clean; the edge refuses one that a link leads out of the root. */
      readonly path: string;
      readonly content: Uint8Array;
      /** Permission bits, such as 0o644. */
      readonly mode: number;
      /** As chown takes it. */
      readonly owner?: string;
    }
  /** Writes /etc/hosts with the host name that the machine has by then. */
  | { readonly kind: "write-hosts" }
  /** Puts a link to /dev/null where the unit file is or would be. */
  | { readonly kind: "mask"; readonly path: string }
  /** Takes away an empty unit file or a link to /dev/null. */
  | { readonly kind: "unmask"; readonly path: string }
  | {
      readonly kind: "run";
      readonly program: readonly [string, ...string[]];
      readonly stdin?: string;
      /** Lets people log in: carried out even when something before it failed. */
      readonly access?: true;
    }
  /** Lets the holders of keys, one a line, log in as a user; `name` replaces those installed before under it. */
  | {
      readonly kind: "authorize-keys";
      readonly user: string;
      readonly name: string;
      readonly keys: readonly string[];
    }
  /** As above, with keys from a URL that answers with a JSON list. */
  | { readonly kind: "fetch-keys"; readonly user: string; readonly name: string; readonly url: string }
  | { readonly kind: "enable"; readonly unit: string; readonly runtime: boolean }
  | { readonly kind: "reload" }
  | { readonly kind: "job"; readonly method: JobMethod; readonly unit: string }
  /** Sets network interfaces down that exist. */
  | { readonly kind: "links-down"; readonly names: readonly string[] }
  | {
      readonly kind: "script";
      readonly text: string;
      readonly workspace: string;
      /** `text` is bytes, one letter each: scripts may carry anything behind their last line. */
      readonly binary?: true;
    }
  /** Nothing to do, but worth a line in the journal. */
  | { readonly kind: "note"; readonly sentence: string }
  /** The configuration cannot be carried out from here on. */
  | { readonly kind: "fail"; readonly sentence: string };

/** Methods of systemd's manager, with the mode `replace`. */
export type JobMethod =
  | "StartUnit"
  | "StopUnit"
  | "RestartUnit"
  | "ReloadUnit"
  | "TryRestartUnit"
  | "ReloadOrRestartUnit"
  | "ReloadOrTryRestartUnit";

/** What directives know of the machine besides the configuration. */
export interface Facts {
  /** Users that exist. */
  readonly users: ReadonlySet<string>;
  /** Texts of the files that directives change, by path; files that are not there are absent. */
  readonly files: Readonly<Record<string, string>>;
  /** Under which name keys of user-data are installed. */
  readonly sshKeyName: string;
}

/** Files that directives read before they change them. */
export const filesToRead = [
  "/etc/coreos/update.conf",
  "/usr/share/coreos/update.conf",
  "/etc/environment",
] as const;

/** An action that writes text. */
export function writeText(path: string, text: string): Action {
  return { kind: "write-file", path, content: new TextEncoder().encode(text), mode: 0o644 };
}

/** The actions that would be carried out: nothing behind one that fails, except what lets people log in. */
export function reached(actions: readonly Action[]): readonly Action[] {
  const end = actions.findIndex(({ kind }) => kind === "fail");
  return end < 0 ? actions : actions.filter((action, index) => index <= end || givesAccess(action));
}

/** Whether an action lets people log in: a machine that nobody can reach cannot be repaired. */
export function givesAccess(action: Action): boolean {
  return action.kind === "authorize-keys" || (action.kind === "run" && action.access === true);
}

/**
 * Whether an action is worth doing before there is a network: it lets people log in, names the machine, or
 * sets the very network up that gives the addresses.
 */
export function needsNoNetwork(action: Action): boolean {
  if (action.kind === "write-file") return /^\/(etc|run)\/systemd\/network\//.test(action.path);
  return givesAccess(action) || (action.kind === "run" && action.program[0] === "hostnamectl");
}

/** An action in one line, for `--dry-run`. */
export function actionLine(action: Action): string {
  switch (action.kind) {
    case "write-file": {
      const owner = action.owner === undefined ? "" : `, owned by ${action.owner}`;
      const mode = action.mode.toString(8).padStart(4, "0");
      return `write ${action.path} (${action.content.length} bytes, mode ${mode}${owner})`;
    }
    case "write-hosts":
      return "write /etc/hosts with the host name as 127.0.0.1";
    case "mask":
      return `link ${action.path} to /dev/null`;
    case "unmask":
      return `remove ${action.path} if it is empty or a link to /dev/null`;
    case "run":
      return `run ${action.program.map(quotedWord).join(" ")}`;
    case "authorize-keys":
      return `let ${action.keys.length} SSH keys log in as ${action.user} (${action.name})`;
    case "fetch-keys":
      return `let SSH keys from ${action.url} log in as ${action.user} (${action.name})`;
    case "enable":
      return `enable ${action.unit}${action.runtime ? " until the next boot" : ""}`;
    case "reload":
      return "make systemd read its units again";
    case "job":
      return `${jobWords[action.method]} ${action.unit}`;
    case "links-down":
      return `set the network interfaces ${action.names.join(", ")} down`;
    case "script":
      return `run the script (${action.text.length} characters) as a unit of systemd`;
    case "note":
      return `note: ${action.sentence}`;
    case "fail":
      return `stop here: ${action.sentence}`;
  }
}

const jobWords: Readonly<Record<JobMethod, string>> = {
  StartUnit: "start",
  StopUnit: "stop",
  RestartUnit: "restart",
  ReloadUnit: "reload",
  TryRestartUnit: "try-restart",
  ReloadOrRestartUnit: "reload-or-restart",
  ReloadOrTryRestartUnit: "reload-or-try-restart",
};

/** systemctl's word for a method of the manager. */
export function jobWord(method: JobMethod): string {
  return jobWords[method];
}

function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** An action as a value for JSON: bytes become text, or base64 where they are none. */
export function actionValue(action: Action): Readonly<Record<string, unknown>> {
  if (action.kind !== "write-file") return { ...action };
  const { content, mode, ...rest } = action;
  const permissions = mode.toString(8).padStart(4, "0");
  try {
    return { ...rest, permissions, content: new TextDecoder("utf-8", { fatal: true }).decode(content) };
  } catch {
    const letters = Array.from(content, (byte) => String.fromCharCode(byte)).join("");
    return { ...rest, permissions, encoding: "base64", content: btoa(letters) };
  }
}
