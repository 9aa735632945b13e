import { compareText } from "../lib/text.ts";
import { answer, refuse } from "./api-answers.ts";
import { listedUnitEntity, machineEntity, machineOf, stateEntity } from "./api-entities.ts";
import { pageOf } from "./api-paging.ts";
import type { UnitState } from "./model.ts";
import type { Registry } from "./registry.ts";

/** What lists are made from. */
export interface Listing {
  readonly registry: Registry;
  /** Entries of one page. */
  readonly tokenLimit: number;
}

export function listMachines(url: URL, server: Listing): Response {
  const machines = Array.from(server.registry.view().machines.values());
  return pageAnswer(url, server, machines, "machines", machineEntity);
}

export function listUnits(url: URL, server: Listing): Response {
  const view = server.registry.view();
  const units = Array.from(view.units.values());
  return pageAnswer(url, server, units, "units", (unit) => listedUnitEntity(view, unit));
}

export function listStates(url: URL, server: Listing): Response {
  const query = url.searchParams;
  const machine = query.get("machineID") ?? "";
  const unit = query.get("unitName") ?? "";
  const states: UnitState[] = [];
  for (const [name, byMachine] of server.registry.view().states) {
    if (unit !== "" && unit !== name) continue;
    for (const state of byMachine.values()) {
      if (machine === "" || machine === state.machine) states.push(state);
    }
  }
  return pageAnswer(url, server, states, "states", stateEntity);
}

function pageAnswer<Item>(
  url: URL,
  server: Listing,
  items: readonly Item[],
  field: string,
  entityOf: (item: Item) => unknown,
): Response {
  const tokens = url.searchParams.getAll("nextPageToken");
  const page = pageOf(items, tokens, server.tokenLimit);
  if ("problem" in page) return refuse(400, page.problem);
  const { nextPageToken } = page;
  const entities = page.items.map(entityOf);
  return answer({
    ...(nextPageToken !== undefined && field > "nextPageToken" ? { nextPageToken } : {}),
    ...(entities.length === 0 ? {} : { [field]: entities }),
    ...(nextPageToken !== undefined && field < "nextPageToken" ? { nextPageToken } : {}),
  });
}

/** One state, the one of the machine the unit is placed on where there are several. */
export function getState(name: string, registry: Registry): Response {
  const view = registry.view();
  const states = view.states.get(name);
  const placed = states?.get(machineOf(view, name) ?? "");
  const state =
    placed ?? Array.from(states?.values() ?? []).sort((a, b) => compareText(a.machine, b.machine))[0];
  if (state !== undefined) return answer(stateEntity(state));
  // The fleetctl of fleet v1.0.0 crashes on a 404 here when it waits for a unit that has no state yet.
  return view.units.has(name) ? answer({}) : refuse(404, "unit state does not exist");
}
