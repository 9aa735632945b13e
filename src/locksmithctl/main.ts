import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import type { CommandGroup } from "../cli/command.ts";
import { clientTransport } from "../keys/client-transport.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";
import { productVersion } from "../lib/version.ts";
import type { Outside } from "./connect.ts";
import { locksmithctlProgram } from "./program.ts";

/** How long systemd's busctl may take; it waits 25 s for a reply itself. */
const busLimitMs = 40_000;

/** One message over the system bus. systemd brings busctl along wherever logind is. */
async function busctl(...words: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)("busctl", ["--system", ...words], { timeout: busLimitMs });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw new Fault("bus-refused", said === "" ? sentenceOf(error) : said, { cause: error });
  }
}

/** Sockets, the user and the system bus as they are. */
const outside: Outside = {
  transport: clientTransport,
  userId: () => process.geteuid?.(),
  reboot: async () => {
    const login = "org.freedesktop.login1";
    await busctl("call", login, "/org/freedesktop/login1", `${login}.Manager`, "Reboot", "b", "false");
  },
  // StatusUpdate(last_checked_time, progress, current_operation, new_version, new_size) of update-engine.
  emitNeedReboot: async () => {
    const place = ["/com/coreos/update1", "com.coreos.update1.Manager", "StatusUpdate"];
    await busctl("emit", ...place, "xdssx", "0", "0", "UPDATE_STATUS_UPDATED_NEED_REBOOT", "", "0");
  },
};

/** locksmithctl in this process, ready for `main` of the cli. */
export const locksmithctl: CommandGroup = locksmithctlProgram(outside, productVersion);
