import type { ProcessFacts } from "../fleet/metrics.ts";

/** What this process tells of itself in `/metrics`. */
export function programFacts(): ProcessFacts {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    cpuSeconds: (user + system) / 1_000_000,
    startSeconds: Date.now() / 1000 - process.uptime(),
  };
}
