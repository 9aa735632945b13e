/** What the files about updates say together. */
export interface UpdateConfig {
  /** What this machine asks for, such as `stable`. */
  readonly group: string;
  /** Where it asks; undefined for nobody. */
  readonly server?: UpdateSource;
  /** False: only on demand (SERVER=disabled, or no server at all). */
  readonly timed: boolean;
  readonly rebootStrategy: string;
  readonly machineAlias: string;
  /** For the downloads: `user:password`; empty without one. */
  readonly credentials: string;
  /** Without braces; undefined: that of the operating system. */
  readonly appId?: string;
  readonly board?: string;
  /** The version that the release file tells, for machines whose os-release has no IMAGE_VERSION. */
  readonly releaseVersion?: string;
}

/** Who says what is new: a server with the Omaha protocol, or a folder with a signed list. */
export type UpdateSource =
  | { readonly kind: "omaha"; readonly url: string }
  | { readonly kind: "folder"; readonly url: string };

/** The files in the order in which they are asked (CoreOS's update_engine). */
export const configFiles = [
  "/etc/coreos/update.conf",
  "/usr/share/coreos/update.conf",
  "/usr/share/coreos/release",
] as const;

export const usualGroup = "stable";

/**
 * What the texts of the files say; the first that has a key wins, and one that is not there is an empty text. `problems` has
 * a sentence for each value that cannot be used.
 */
export function readConfig(texts: readonly string[]): {
  readonly config: UpdateConfig;
  readonly problems: readonly string[];
} {
  const files = texts.map(keysOf);
  const value = (key: string): string => files.find((keys) => keys.has(key))?.get(key) ?? "";
  const problems: string[] = [];
  const server = value("SERVER");
  const source = sourceOf(server);
  if (source === undefined && server !== "" && server !== "disabled") {
    problems.push(
      `SERVER=${server} is neither an address such as http://updates.example.com/v1/update/, nor folder:URL, nor disabled; nobody is asked for updates`,
    );
  }
  const user = value("DOWNLOAD_USER");
  const appId = value("COREOS_RELEASE_APPID")
    .replace(/^\{(.*)\}$/, "$1")
    .toLowerCase();
  return {
    config: {
      group: value("GROUP") || usualGroup,
      ...(source === undefined ? {} : { server: source }),
      timed: source !== undefined,
      rebootStrategy: value("REBOOT_STRATEGY"),
      machineAlias: value("MACHINE_ALIAS"),
      credentials: user === "" ? "" : `${user}:${value("DOWNLOAD_PASSWORD")}`,
      ...(appId === "" ? {} : { appId }),
      ...(value("COREOS_RELEASE_BOARD") === "" ? {} : { board: value("COREOS_RELEASE_BOARD") }),
      ...(value("COREOS_RELEASE_VERSION") === "" ? {} : { releaseVersion: value("COREOS_RELEASE_VERSION") }),
    },
    problems,
  };
}

function sourceOf(server: string): UpdateSource | undefined {
  const folder = /^folder:(.+)$/.exec(server)?.[1];
  const url = folder ?? server;
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) return undefined;
  if (folder === undefined) return { kind: "omaha", url };
  return { kind: "folder", url: url.endsWith("/") ? url : `${url}/` };
}

function keysOf(text: string): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, key, value = ""] = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) keys.set(key, value.replace(/^"(.*)"$/, "$1").replace(/^'(.*)'$/, "$1"));
  }
  return keys;
}
