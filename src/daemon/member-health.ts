import type { MachineControl } from "../locksmith/machine-control.ts";
import { sentenceOf } from "../lib/fault.ts";

const memberUnit = "etcd-member.service";
/** etcd's own answer to whether this member takes part in its cluster (etcd, GET /health). */
const healthUrl = "http://127.0.0.1:2379/health";
const answerLimitMs = 5_000;

/**
 * Why this machine's member of the store does not take part in it again; undefined when it does, or when there is none. The next
 * machine must not reboot before: it may hold the member without which there is no majority.
 */
export async function memberProblem(machine: Pick<MachineControl, "isActive">): Promise<string | undefined> {
  if (!(await machine.isActive(memberUnit))) return undefined;
  try {
    const answer = await fetch(healthUrl, { signal: AbortSignal.timeout(answerLimitMs) });
    const text = await answer.text();
    // A member with TLS refuses to talk like this, which shows that it is there.
    if (answer.ok || !text.includes('"health"')) return undefined;
    return `this machine's ${memberUnit} does not take part in its cluster: ${text.trim()}`;
  } catch (error) {
    return `this machine's ${memberUnit} does not answer: ${sentenceOf(error)}`;
  }
}
