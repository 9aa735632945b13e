import type { Clock } from "../lib/env.ts";
import { Counter, type Gauge, gaugeText, Histogram, type Labels } from "./metrics-text.ts";
import type { FleetView } from "./registry.ts";

/** What the process tells of itself when somebody looks. */
export interface ProcessFacts {
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  /** Seconds since 1970 at which it began. */
  readonly startSeconds: number;
}

/** Bounds in seconds: from a local call to a request that nearly ran out of time. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const taskTypes = ["unscheduleunit", "attemptscheduleunit"] as const;
/** What the engine does about a unit, in the words of fleet v1.0.0. */
export type TaskType = (typeof taskTypes)[number];

const failureTypes = ["machine_away", "run", "schedule"] as const;
/**
 * Why a pass of the engine could not leave a unit where it is or put it anywhere (fleet v1.0.0): its machine has gone, its
 * machine may not have it any more, no machine may.
 */
export type FailureType = (typeof failureTypes)[number];

const registryOperations = ["get", "set", "get_all"] as const;
export type RegistryOperation = (typeof registryOperations)[number];

const agentSteps = ["load", "prepare", "start", "restart", "stop", "kill", "unload"] as const;

/** What systemd says of units, as far as it is shown for none, too: the states that a rule waits for. */
const activeStates = ["active", "reloading", "inactive", "failed", "activating", "deactivating"] as const;

/**
 * What one daemon counts. Names that begin with `fleet_` are those of fleet v1.0.0, with the values they were meant to have;
 * the others are additions.
 */
export class FleetMetrics {
  readonly #clock: Clock;
  #leaderSinceSeconds = 0;

  readonly tasks = new Counter(
    "fleet_engine_task_count_total",
    "Decisions about units that this engine has set about to carry out.",
    taskTypes.map((type) => ({ type })),
  );
  readonly taskFailures = new Counter(
    "fleet_engine_task_failure_count_total",
    "Those of them that could not be carried out, because the cluster had changed meanwhile or the store was away.",
    taskTypes.map((type) => ({ type })),
  );
  readonly passes = new Counter(
    "fleet_engine_reconcile_count_total",
    "Passes of this engine over the cluster.",
    [{}],
  );
  readonly passFailures = new Counter(
    "fleet_engine_reconcile_failure_count_total",
    "Units that a pass could not leave where they were, or could not put anywhere.",
    failureTypes.map((type) => ({ type })),
  );
  readonly passDuration = new Histogram(
    "fleet_engine_reconcile_duration_second",
    "How long passes of this engine took, with their writes.",
    bounds,
    [{}],
  );
  readonly registryOperations = new Counter(
    "fleet_registry_operation_count_total",
    "Requests to the API that read one thing (get), a list (get_all), or wrote (set).",
    registryOperations.map((type) => ({ type })),
  );
  readonly registryFailures = new Counter(
    "fleet_registry_operation_failed_count_total",
    "Such requests that failed through no fault of the client.",
    registryOperations.map((type) => ({ type })),
  );
  readonly registryDuration = new Histogram(
    "fleet_registry_operation_duration_second",
    "How long such requests took.",
    bounds,
    registryOperations.map((ops) => ({ ops })),
  );
  readonly placementLatency = new Histogram(
    "argosy_fleet_placement_latency_seconds",
    "From when this engine heard of a unit until its machine was written down.",
    bounds,
    [{}],
  );
  readonly requests = new Counter("argosy_fleet_api_requests_total", "Requests that the API has answered.");
  readonly steps = new Counter(
    "argosy_fleet_agent_steps_total",
    "What this machine's agent had systemd do with units, unit by unit.",
    agentSteps.flatMap((step) => ["done", "failed"].map((outcome) => ({ step, outcome }))),
  );
  readonly systemdDuration = new Histogram(
    "argosy_fleet_systemd_call_duration_seconds",
    "How long systemd took for a batch, from the first call to the end of its jobs.",
    bounds,
  );
  readonly systemdFailures = new Counter(
    "argosy_fleet_systemd_call_failures_total",
    "Batches that systemd could not be asked for.",
    ["list", ...agentSteps].map((operation) => ({ operation })),
  );
  readonly storeOperations = new Counter("argosy_fleet_store_operations_total", "Requests to the store.");
  readonly storeDuration = new Histogram(
    "argosy_fleet_store_operation_duration_seconds",
    "How long requests to the store took.",
    bounds,
  );

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** This engine leads from now on, or does not any more. */
  leads(leading: boolean): void {
    this.#leaderSinceSeconds = leading ? this.#clock.now() / 1000 : 0;
  }

  /** Measures something, whatever becomes of it. */
  async timed<Result>(histogram: Histogram, labels: Labels, work: () => Promise<Result>): Promise<Result> {
    const startMs = this.#clock.monotonic();
    try {
      return await work();
    } finally {
      histogram.observe(this.#clock.monotonic() - startMs, labels);
    }
  }

  /**
   * Everything as Prometheus's text.
   * @param view what is known about the cluster, undefined while nothing is
   */
  text(view: FleetView | undefined, program: ProcessFacts | undefined): string {
    return [
      gaugeText(
        gauge(
          "fleet_engine_leader_start_time",
          "Seconds since 1970 at which this engine began to lead; 0 while it does not.",
          this.#leaderSinceSeconds,
        ),
      ),
      ...[
        this.tasks,
        this.taskFailures,
        this.passes,
        this.passFailures,
        this.passDuration,
        this.registryOperations,
        this.registryFailures,
        this.registryDuration,
        this.placementLatency,
        this.requests,
        this.steps,
        this.systemdDuration,
        this.systemdFailures,
        this.storeOperations,
        this.storeDuration,
      ].map((metric) => metric.text()),
      ...(view === undefined ? [] : clusterGauges(view).map(gaugeText)),
      ...(program === undefined ? [] : processGauges(program).map(gaugeText)),
    ].join("");
  }
}

function clusterGauges(view: FleetView): Gauge[] {
  const wanted = new Map([
    ["inactive", 0],
    ["loaded", 0],
    ["launched", 0],
  ]);
  for (const { target } of view.units.values()) wanted.set(target, (wanted.get(target) ?? 0) + 1);
  const active = new Map<string, number>(activeStates.map((state) => [state, 0]));
  for (const states of view.states.values())
    for (const state of states.values()) active.set(state.active, (active.get(state.active) ?? 0) + 1);
  let waiting = 0;
  for (const placement of view.placements.values()) if ("waiting" in placement) waiting += 1;
  return [
    gauge("argosy_fleet_machines", "Machines that are present.", view.machines.size),
    {
      name: "argosy_fleet_units",
      help: "Units of the registry by their target states.",
      values: Array.from(wanted, ([target, count]) => [{ target }, count] as const),
    },
    {
      name: "argosy_fleet_unit_states",
      help: "Units on machines by systemd's active state.",
      values: Array.from(active, ([state, count]) => [{ active: state }, count] as const),
    },
    gauge("argosy_fleet_units_waiting", "Units that no machine may run now.", waiting),
  ];
}

function processGauges({ residentBytes, heapBytes, cpuSeconds, startSeconds }: ProcessFacts): Gauge[] {
  return [
    gauge("process_resident_memory_bytes", "Memory of this process.", residentBytes),
    gauge("nodejs_heap_size_used_bytes", "Memory in use by its program.", heapBytes),
    {
      ...gauge("process_cpu_seconds_total", "Time of processors that it has used, in seconds.", cpuSeconds),
      type: "counter",
    },
    gauge("process_start_time_seconds", "Seconds since 1970 at which it began.", startSeconds),
  ];
}

function gauge(name: string, help: string, value: number): Gauge {
  return { name, help, values: [[{}, value]] };
}
