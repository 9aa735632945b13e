import { isFault } from "../lib/fault.ts";
import type { Store } from "../store/store.ts";
import type { FleetMetrics } from "./metrics.ts";
import type { UnitManager, UnitOutcome } from "./unit-manager.ts";

/** A store whose requests are counted and measured. Watches are counted when they are opened. */
export function measuredStore(store: Store, metrics: FleetMetrics): Store {
  const measured = async <Result>(operation: string, work: () => Promise<Result>): Promise<Result> => {
    let outcome = "done";
    try {
      return await metrics.timed(metrics.storeDuration, { operation }, work);
    } catch (error) {
      outcome = isFault(error) ? error.code : "failed";
      throw error;
    } finally {
      metrics.storeOperations.add({ operation, outcome });
    }
  };
  return {
    read: (range, options) => measured("read", () => store.read(range, options)),
    commit: (transaction) => measured("commit", () => store.commit(transaction)),
    watch: (range, after, signal, storeId) => {
      metrics.storeOperations.add({ operation: "watch", outcome: "done" });
      return store.watch(range, after, signal, storeId);
    },
    grantLease: (ttlMs) => measured("grant-lease", () => store.grantLease(ttlMs)),
    renewLease: (id) => measured("renew-lease", () => store.renewLease(id)),
    revokeLease: (id) => measured("revoke-lease", () => store.revokeLease(id)),
    compact: (revision) => measured("compact", () => store.compact(revision)),
    close: () => store.close(),
  };
}

/** A service manager whose batches are counted unit by unit, and measured. */
export function measuredUnits(units: UnitManager, metrics: FleetMetrics): UnitManager {
  const measured = async <Result>(operation: string, work: () => Promise<Result>): Promise<Result> => {
    try {
      return await metrics.timed(metrics.systemdDuration, { operation }, work);
    } catch (error) {
      metrics.systemdFailures.add({ operation });
      throw error;
    }
  };
  const counted = async (
    step: string,
    work: () => Promise<readonly UnitOutcome[]>,
  ): Promise<readonly UnitOutcome[]> => {
    const outcomes = await measured(step, work);
    for (const { problem } of outcomes)
      metrics.steps.add({ step, outcome: problem === undefined ? "done" : "failed" });
    return outcomes;
  };
  return {
    list: () => measured("list", () => units.list()),
    load: (sources) => counted("load", () => units.load(sources)),
    prepare: (sources) => counted("prepare", () => units.prepare(sources)),
    start: (names, taken) => counted("start", () => units.start(names, taken)),
    invocation: (name) => measured("invocation", () => units.invocation(name)),
    restart: (restarts, taken) => counted("restart", () => units.restart(restarts, taken)),
    stop: (names) => counted("stop", () => units.stop(names)),
    kill: (names) => counted("kill", () => units.kill(names)),
    unload: (names) => counted("unload", () => units.unload(names)),
    subscribe: (listener) => units.subscribe(listener),
    stopping: () => units.stopping(),
    close: () => units.close(),
  };
}
