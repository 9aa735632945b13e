/** How ssh is to be called, from the global flags. */
export interface SshSettings {
  readonly user: string;
  /** For making a connection. */
  readonly timeoutMs: number;
  /** Ask about hosts that are new, and refuse hosts whose key has changed. */
  readonly strict: boolean;
  readonly knownHosts: string;
}

export interface SshHost {
  readonly host: string;
  readonly port: number;
}

/** What a connection through a tunnel leads to: a socket in the file system there, or an address seen from there. */
export type TunnelEnd = { readonly socket: string } | SshHost;

/** The port of ssh when none is named. */
export const sshPort = 22;

/** Reads `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`; undefined when it is none of these. */
export function readSshHost(text: string): SshHost | undefined {
  const bracketed = /^\[([0-9a-fA-F:.%\w]+)\](?::(\d{1,5}))?$/.exec(text);
  const plain = /^([^\s:[\]-][^\s:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  const [, host, port] = bracketed ?? plain ?? [];
  if (host === undefined)
    return /^[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text)
      ? { host: text, port: sshPort }
      : undefined;
  const number = port === undefined ? sshPort : Number(port);
  return number >= 1 && number <= 65_535 ? { host, port: number } : undefined;
}

/** Words for ssh that hold for every connection, without a host. */
function commonWords({ user, timeoutMs, strict, knownHosts }: SshSettings): readonly string[] {
  const options = {
    ConnectTimeout: String(Math.max(1, Math.ceil(timeoutMs / 1000))),
    StrictHostKeyChecking: strict ? "ask" : "no",
    // Without a check nothing is stored either (fleetctl v1.0.0).
    UserKnownHostsFile: strict ? quotePath(knownHosts) : "/dev/null",
    GlobalKnownHostsFile: "/dev/null",
    // A line of the file can be read by people, and says only what somebody agreed to.
    HashKnownHosts: "no",
    UpdateHostKeys: "no",
    ...(strict ? {} : { LogLevel: "ERROR" }),
  };
  return [...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]), "-l", user];
}

/** ssh splits a list of files at blanks unless they are quoted, and expands `%`. */
function quotePath(path: string): string {
  return `"${path.replaceAll("%", "%%").replaceAll('"', '\\"')}"`;
}

/** Words for the one connection to the far end of a tunnel that all others share; it prints a line once it stands. */
export function masterWords(
  settings: SshSettings,
  { host, port }: SshHost,
  control: string,
): readonly string[] {
  const shared = ["-o", "ControlMaster=yes", "-o", `ControlPath=${control}`, "-N"];
  const told = ["-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo"];
  return [...commonWords(settings), ...shared, ...told, "-p", String(port), host];
}

/** Words for one connection through a tunnel that stands, between ssh's standard input and output and its end. */
export function throughWords(control: string, { host, port }: SshHost, end: TunnelEnd): readonly string[] {
  const shared = ["-o", "ControlMaster=no", "-o", `ControlPath=${control}`, "-p", String(port)];
  if ("socket" in end) return [...shared, host, "--", "fleetctl", "fd-forward", quoteWord(end.socket)];
  return [...shared, "-W", addressOf(end), host];
}

/** Words for a machine: a shell there, or a command. */
export function machineWords(
  settings: SshSettings,
  { host, port }: SshHost,
  command: readonly string[],
  more: { readonly forwardAgent: boolean; readonly through?: readonly string[] },
): readonly string[] {
  const { forwardAgent, through } = more;
  const proxy =
    through === undefined ? [] : ["-o", `ProxyCommand=${["ssh", ...through].map(quoteProxyWord).join(" ")}`];
  return [
    ...commonWords(settings),
    ...proxy,
    ...(forwardAgent ? ["-A"] : []),
    "-p",
    String(port),
    host,
    ...(command.length === 0 ? [] : ["--", ...command]),
  ];
}

function addressOf({ host, port }: SshHost): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A word as a shell takes it back whole. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** In a ProxyCommand, `%` has a meaning of its own. */
function quoteProxyWord(word: string): string {
  return quoteWord(word.replaceAll("%", "%%"));
}
