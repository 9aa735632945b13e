import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { Fault } from "../lib/fault.ts";
import { ownAddress } from "../lib/own-address.ts";

/** The 32 hexadecimal digits that name this machine. Throws Fault `no-machine-id`. */
export async function readMachineId(path = "/etc/machine-id"): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => "");
  const id = text.trim();
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  throw new Fault(
    "no-machine-id",
    `cannot tell which machine this is: ${path} does not hold 32 hexadecimal digits; run systemd-machine-id-setup`,
  );
}

/** The kernel's name for the present boot. */
export async function readBootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

/** This machine's address as the routing table has it now. */
export async function findAddress(): Promise<string> {
  const routes = await readFile("/proc/net/route", "utf8").catch(() => "");
  return ownAddress(routes, networkInterfaces());
}

/**
 * Where other machines reach this one's fleet API: the first address it is served at that is not only for this machine.
 * @param endpoints what the API is served at, such as `http://0.0.0.0:49153`
 * @param address this machine's own address; takes the place of "every address"
 */
export function apiAddress(endpoints: readonly string[], address: string): string | undefined {
  for (const endpoint of endpoints) {
    const url = URL.parse(endpoint);
    if (url?.protocol !== "http:") continue;
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    if (host === "0.0.0.0" || host === "::") {
      const named = address.includes(":") ? `[${address}]` : address;
      if (address !== "") return `http://${named}:${url.port}`;
    } else if (!host.startsWith("127.") && host !== "::1") return `http://${url.host}`;
  }
  return undefined;
}
