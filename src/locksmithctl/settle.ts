import { type Call, exitCodes } from "../cli/command.ts";
import { ClusterUnavailable } from "../keys/client.ts";
import { isFault } from "../lib/fault.ts";

/**
 * Carries a command out and tells what went wrong as locksmithctl 0.6.2 does; returns the exit code.
 * @param doing what stands before the reason, such as `Error locking`
 */
export async function settle(call: Call, doing: string, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (call.signal.aborted || !isFault(error)) throw error;
    const withoutClient =
      error instanceof ClusterUnavailable || isFault(error, "no-client", "file-unreadable");
    const prefix = withoutClient ? "Error initializing etcd client" : doing;
    // One line that scripts know, and below it the trouble with each server.
    const [sentence = "", troubles] =
      error instanceof ClusterUnavailable
        ? ["client: etcd cluster is unavailable or misconfigured", error.troubles]
        : [error.message];
    const lines = (troubles ?? []).map((trouble) => `  ${trouble}\n`);
    call.stderr.write(`${prefix}: ${sentence}\n${lines.join("")}`);
    return exitCodes.failed;
  }
}
