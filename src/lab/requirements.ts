import { access, constants } from "node:fs/promises";
import { arch, platform } from "node:os";
import { Fault } from "../lib/fault.ts";

/** Programs the lab runs, and the Debian package each comes in. */
const programs: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  ip: "iproute2",
  mmdebstrap: "mmdebstrap",
  nsenter: "util-linux",
  "systemd-nspawn": "systemd-container",
};

/** Throws a Fault with one sentence on what is missing for a lab on this machine and what to do. */
export async function checkRequirements(): Promise<void> {
  if (platform() !== "linux") {
    throw new Fault(
      "not-linux",
      `The lab boots Linux machines and this system is ${platform()}; use a Debian 12 or 13 machine.`,
    );
  }
  if (arch() !== "x64") {
    throw new Fault(
      "wrong-processor",
      `The lab is made for x86-64 and this machine is ${arch()}; use another machine.`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new Fault(
      "not-root",
      "The lab needs root, because it boots machines and makes network interfaces; run it with sudo.",
    );
  }
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(programs)) {
    if (!(await isInPath(program))) missing.push(debianPackage);
  }
  if (missing.length === 0) return;
  throw new Fault(
    "programs-missing",
    `The lab lacks programs; install them with: apt-get install ${missing.join(" ")}`,
  );
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(":").concat("/usr/sbin", "/sbin");
  for (const folder of folders) {
    const found = await access(`${folder}/${program}`, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
