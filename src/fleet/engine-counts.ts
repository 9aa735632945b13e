import type { Plan } from "./cluster.ts";
import type { EngineWrite } from "./engine-writes.ts";
import type { FleetMetrics, TaskType } from "./metrics.ts";
import type { Machine } from "./model.ts";

/**
 * Counts what became of writes that carry out decisions.
 * @param latencyMs since the engine heard of what led to them
 */
export function countTasks(
  metrics: FleetMetrics | undefined,
  writes: readonly EngineWrite[],
  committed: boolean,
  latencyMs: number,
): void {
  if (metrics === undefined) return;
  for (const write of writes) {
    const tasks = tasksOf(write);
    for (const type of tasks) {
      metrics.tasks.add({ type });
      if (!committed) metrics.taskFailures.add({ type });
    }
    if (committed && tasks.includes("attemptscheduleunit")) metrics.placementLatency.observe(latencyMs);
  }
}

const moveTasks = ["unscheduleunit", "attemptscheduleunit"] as const;

function tasksOf({ note, half }: EngineWrite): readonly TaskType[] {
  switch (note?.kind) {
    case "decision.placed":
      return ["attemptscheduleunit"];
    case "decision.moved":
      return half === undefined ? moveTasks : [half === "leaves" ? "unscheduleunit" : "attemptscheduleunit"];
    case "decision.unplaced":
      return ["unscheduleunit"];
    case "decision.waiting":
      return note.from === undefined ? [] : ["unscheduleunit"];
    default:
      return [];
  }
}

/** Counts why units could not be left alone or put anywhere. */
export function countFailures(
  metrics: FleetMetrics | undefined,
  plan: Plan,
  machines: readonly Machine[],
): void {
  if (metrics === undefined || plan.decisions.length === 0) return;
  const present = new Set(machines.map(({ id }) => id));
  for (const decision of plan.decisions) {
    if (decision.kind !== "move" && decision.kind !== "wait") continue;
    if (decision.from !== undefined)
      metrics.passFailures.add({ type: present.has(decision.from) ? "run" : "machine_away" });
    if (decision.kind === "wait") metrics.passFailures.add({ type: "schedule" });
  }
}
