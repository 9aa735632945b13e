import type { Call } from "../cli/command.ts";
import { checkUserData, findingLine } from "../cloudinit/check.ts";
import { readConfig, type TypedStruct } from "../cloudinit/read-config.ts";
import { realAccess } from "../cloudinit/real-access.ts";
import { cloudConfigSchema } from "../cloudinit/schema.ts";
import { readYaml } from "../cloudinit/tree.ts";
import { unpackUserData, userDataText } from "../cloudinit/user-data.ts";
import type { LabOptions } from "../lab/lab.ts";
import { cloudConfigWays } from "../lab/layout.ts";
import { Fault } from "../lib/fault.ts";
import { progressOf } from "./lab-flags.ts";

/** systemd takes no larger credentials. */
const longestCredentialBytes = 1024 * 1024;
/** Of a file with more mistakes only the first are shown. */
const mostFindings = 20;

/**
 * The cloud-config that the machines of a new lab are handed. It is checked before anything is made: warnings are told, and
 * a mistake that would keep a part from working is refused.
 * Throws Fault `bad-flags`, `file-unreadable` and `bad-cloud-config`.
 */
export async function cloudConfigOf(
  call: Call,
  path: string,
): Promise<Pick<LabOptions, "store" | "cloudConfig">> {
  for (const flag of ["members", "embedded", "discovery", "metadata", "plain"]) {
    if (call.flags.given(flag))
      throw new Fault(
        "bad-flags",
        `with --cloud-config machines know nothing but the file: leave out --${flag}, and say it in ${path}`,
      );
  }
  const wanted = call.flags.text("cloud-config-by");
  const way = cloudConfigWays.find((each) => each === wanted);
  if (way === undefined)
    throw new Fault(
      "bad-flags",
      `a cloud-config gets into machines by ${cloudConfigWays.join(" or ")}, not by "${wanted ?? ""}"`,
    );
  const bytes = await realAccess(call.env, call.signal).readFile(path);
  if (bytes === undefined) throw new Fault("file-unreadable", `Cannot read ${path}: there is no such file.`);
  checkCloudConfig(path, bytes, progressOf(call));
  if (way === "credential" && bytes.length > longestCredentialBytes)
    throw new Fault(
      "bad-cloud-config",
      `${path} is too long for a credential of systemd, which holds ${longestCredentialBytes} bytes: give --cloud-config-by config-drive`,
    );
  return { store: { by: "cloud-config", way, joins: joinsOthers(bytes) }, cloudConfig: bytes };
}

function checkCloudConfig(path: string, bytes: Uint8Array, progress: (line: string) => void): void {
  const findings = checkUserData(bytes);
  const lines = findings.slice(0, mostFindings).map((finding) => findingLine(path, finding));
  if (findings.length > mostFindings) lines.push(`and ${findings.length - mostFindings} more`);
  if (findings.some(({ severity }) => severity === "error"))
    throw new Fault(
      "bad-cloud-config",
      `machines cannot be made of this cloud-config; no machine was touched:\n${lines.join("\n")}`,
    );
  for (const line of lines) progress(line);
  if (bytes.length === 0) progress(`${path} is empty: the machines will be as their image is`);
  const service = unreachableService(bytes);
  if (service !== undefined)
    progress(
      `${path}: machines of a lab reach each other and this computer, which they know as "host", and not ${service}: ` +
        `for a token of your own see argosy discovery serve --help`,
    );
}

/** The host of a discovery token that machines of a lab cannot know; undefined when there is none. */
export function unreachableService(packed: Uint8Array): string | undefined {
  const coreos = coreosSection(packed);
  for (const section of ["etcd", "etcd2"]) {
    const name = URL.parse(coreos?.struct(section).text("discovery") ?? "")?.hostname ?? "";
    if (name !== "" && name !== "host" && !/^[\d.]+$|^\[/.test(name)) return name;
  }
  return undefined;
}

/** Whether a cloud-config says how a machine finds others; a script may do anything, so nothing is expected of it. */
export function joinsOthers(packed: Uint8Array): boolean {
  const coreos = coreosSection(packed);
  if (coreos === undefined) return false;
  const names = (section: TypedStruct): boolean =>
    ["discovery", "discovery_srv", "initial_cluster", "peers", "peers_file"].some(
      (key) => section.text(key) !== "",
    );
  return (
    names(coreos.struct("etcd")) ||
    names(coreos.struct("etcd2")) ||
    coreos.struct("fleet").text("etcd_servers") !== ""
  );
}

function coreosSection(packed: Uint8Array): TypedStruct | undefined {
  const read = readYaml(userDataText(unpackUserData(packed).bytes).text);
  return "problem" in read ? undefined : readConfig(cloudConfigSchema, read.root).struct("coreos");
}
