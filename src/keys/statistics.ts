import type { Cluster } from "./cluster.ts";
import { instantText } from "./deadline.ts";
import { json, message, type PlainAnswer } from "./plain-answer.ts";

/** What etcd tells of a latency that was never measured: in ms, the minimum being the largest number there is. */
const unmeasured = {
  latency: { current: 0, average: 0, standardDeviation: 0, minimum: 2 ** 63, maximum: 0 },
  counts: { fail: 0, success: 0 },
};

/** When something began, in ms since 1970, and by the clock that never jumps. */
export interface Since {
  readonly atMs: number;
  readonly monotonicMs: number;
}

/**
 * `/v2/stats/self`: the member that this gateway asks. Times are those of the gateway, since a member does not tell its own.
 * @param ledSince when this gateway first saw the leader
 */
export function answerSelf(
  cluster: Cluster,
  startedAtMs: number,
  ledSince: Since,
  monotonicMs: number,
): PlainAnswer {
  const own = cluster.members.find(({ id }) => id === cluster.own);
  return json(200, {
    name: own?.name ?? "",
    id: cluster.own,
    state: stateOf(cluster),
    startTime: instantText(startedAtMs),
    leaderInfo: {
      leader: cluster.leader ?? "",
      uptime: durationText(monotonicMs - ledSince.monotonicMs),
      startTime: instantText(ledSince.atMs),
    },
    recvAppendRequestCnt: 0,
    sendAppendRequestCnt: 0,
  });
}

/** `/v2/stats/leader`: only the leader knows of its followers; how fast they are it does not tell over the v3 API. */
export function answerLeader(cluster: Cluster): PlainAnswer {
  if (cluster.leader !== cluster.own) return message(403, "not current leader");
  const followers = cluster.members.filter(({ id }) => id !== cluster.own).map(({ id }) => [id, unmeasured]);
  return json(200, { leader: cluster.own, followers: Object.fromEntries(followers) });
}

function stateOf({ leader, own }: Cluster): string {
  if (leader === undefined) return "StateCandidate";
  return leader === own ? "StateLeader" : "StateFollower";
}

/** A length of time as Go prints it: `1h2m3.5s`, below a second `250ms`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.floor(ms));
  if (whole === 0) return "0s";
  if (whole < 1000) return `${whole}ms`;
  const hours = Math.floor(whole / 3_600_000);
  const minutes = Math.floor(whole / 60_000) % 60;
  const seconds = `${(whole % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
