import type { Call, Command } from "../cli/command.ts";
import type { ClusterClient } from "../keys/client.ts";
import { type ClientMember, MembersClient } from "../keys/client-members.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import type { Connect } from "./connect.ts";
import { exits, Outcome, settle } from "./outcome.ts";

/** Between two rounds of `--forever` (etcdctl 3.4). */
const pauseMs = 10_000;

/** `etcdctl cluster-health`: asks every member how it is. */
export function clusterHealth(connect: Connect): Command {
  return {
    name: "cluster-health",
    summary: "Ask every member of the cluster how it is",
    usage: "",
    description:
      "Asks each member and prints one line for it, then whether the cluster is healthy (all members are), degraded (some are) or unavailable. The exit code is 0 only when it is healthy, else 5.",
    flags: [
      {
        name: "forever",
        short: "f",
        kind: "switch",
        summary: "ask again every 10 seconds until interrupted",
      },
    ],
    examples: [{ line: "etcdctl cluster-health", meaning: "every member's state" }],
    run: async (call) => await settle(call, "keys", async () => await run(call, connect)),
  };
}

async function run(call: Call, connect: Connect): Promise<number> {
  const client = await connect(call, { sync: false });
  const members = await listMembers(call, client);
  for (;;) {
    let healthy = 0;
    for (const member of members) {
      if (await isHealthy(call, client, member)) healthy++;
    }
    const state = healthy === members.length ? "healthy" : healthy === 0 ? "unavailable" : "degraded";
    call.stdout.write(`cluster is ${state}\n`);
    if (!call.flags.on("forever")) return healthy === members.length ? exits.done : exits.unhealthy;
    call.stdout.write("\nnext check after 10 second...\n\n");
    await call.env.clock.sleep(pauseMs, call.signal);
  }
}

async function listMembers(call: Call, client: ClusterClient): Promise<readonly ClientMember[]> {
  try {
    return await new MembersClient(client).list();
  } catch (error) {
    if (!isFault(error)) throw error;
    call.stdout.write("cluster may be unhealthy: failed to list members\n");
    throw new Outcome(exits.server, error, "keys");
  }
}

async function isHealthy(call: Call, client: ClusterClient, member: ClientMember): Promise<boolean> {
  const { id, clientURLs } = member;
  if (clientURLs.length === 0) {
    call.stdout.write(`member ${id} is unreachable: no available published client urls\n`);
    return false;
  }
  for (const url of clientURLs) {
    const answer = await askHealth(call, client, url);
    if (answer.problem !== undefined) {
      call.stdout.write(`failed to check the health of member ${id} on ${url}: ${answer.problem}\n`);
      continue;
    }
    const word = answer.healthy ? "healthy" : "unhealthy";
    call.stdout.write(`member ${id} is ${word}: got ${word} result from ${url}\n`);
    return answer.healthy;
  }
  call.stdout.write(`member ${id} is unreachable: [${clientURLs.join(" ")}] are all unreachable\n`);
  return false;
}

async function askHealth(
  call: Call,
  client: ClusterClient,
  url: string,
): Promise<{ readonly healthy: boolean; readonly problem?: string }> {
  try {
    const answer = await client.askAt(`${url}/health`);
    const { health } = JSON.parse(answer.text) as { health?: unknown };
    return { healthy: health === "true" || health === true };
  } catch (error) {
    call.signal.throwIfAborted();
    const problem = isFault(error) ? `Get "${url}/health": ${error.message}` : sentenceOf(error);
    return { healthy: false, problem };
  }
}
