/** What a presence may need beyond its lease, at most: see `leaseLifeMs`. */
const mostForElectionMs = 2_000;

/** Below this life of a lease, in ms, an answer that is a little late counts for much: there are more renewals then. */
const shortLifeMs = 6_000;

/**
 * How long a machine waits from one renewal of its lease to the next, in ms. Two may fail, of a short lease three, and each is tried
 * again long before the next is due. The fewer there are, the less the store is asked.
 * @param lifeMs how long the lease lives
 */
export function renewalPauseMs(lifeMs: number): number {
  return lifeMs < shortLifeMs ? 0.25 * lifeMs : 0.4 * lifeMs;
}

/**
 * How long a machine's lease lives, in ms: less than `agent_ttl`, so that a machine that is lost is known to be lost in time also
 * when its etcd led the others. Then nobody ends leases for as long as an election takes, and the next leader gives each of them
 * its whole life once more and an election timeout besides (etcd 3.4, lessor.Promote). What is taken off makes up for that; of a
 * short `agent_ttl` no more than a third. Leases live for whole seconds.
 */
export function leaseLifeMs(agentTtlMs: number): number {
  const longestMs = agentTtlMs - Math.min(mostForElectionMs, agentTtlMs / 3);
  return Math.max(1, Math.floor(longestMs / 1_000)) * 1_000;
}
