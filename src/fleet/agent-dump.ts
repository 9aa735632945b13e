import type { UnitName, UnitState } from "./model.ts";
import type { Attempt } from "./reconcile.ts";

/** A unit's state in the words of the dump of fleet v1.0.0. */
interface DumpedState {
  readonly LoadState: string;
  readonly ActiveState: string;
  readonly SubState: string;
  readonly MachineID: string;
  readonly UnitHash: string;
  readonly UnitName: string;
}

/** What fleetd v1.0.0 writes as one line of JSON at SIGUSR1, for whoever looks for what an agent has in mind. */
export interface AgentDump {
  readonly Agent: { readonly Cache: { readonly TargetStates: Readonly<Record<UnitName, string>> } };
  readonly UnitStatePublisher: {
    readonly Cache: Readonly<Record<UnitName, DumpedState>>;
    readonly ToPublish: Readonly<Record<UnitName, DumpedState>>;
  };
  readonly UnitStateGenerator: { readonly Subscribed: readonly UnitName[] };
}

/** @param unpublished those of the states that are not in the store yet */
export function dumpOf(
  attempts: ReadonlyMap<UnitName, Attempt>,
  states: ReadonlyMap<UnitName, UnitState>,
  unpublished: ReadonlySet<UnitName>,
): AgentDump {
  const all = [...states].map(([name, state]) => [name, dumped(state)] as const);
  return {
    Agent: {
      Cache: {
        TargetStates: Object.fromEntries([...attempts].map(([name, { reached }]) => [name, reached])),
      },
    },
    UnitStatePublisher: {
      Cache: Object.fromEntries(all),
      ToPublish: Object.fromEntries(all.filter(([name]) => unpublished.has(name))),
    },
    UnitStateGenerator: { Subscribed: [...states.keys()].sort() },
  };
}

function dumped({ unit, machine, hash, load, active, sub }: UnitState): DumpedState {
  return {
    LoadState: load,
    ActiveState: active,
    SubState: sub,
    MachineID: machine,
    UnitHash: hash,
    UnitName: unit,
  };
}
