import { answer, refuse } from "./api-answers.ts";
import { isFault } from "../lib/fault.ts";
import type { Revision } from "../store/store.ts";
import type { Caller } from "./events.ts";
import type { UnitName } from "./model.ts";
import type { Registry } from "./registry.ts";

/** What a restart that was asked for is called; it is carried out where a state's `restart` is this or greater. */
export interface RestartEntity {
  readonly restart: Revision;
}

/**
 * `POST /argosy/v1/units/{name}/restart`: has systemd restart a launched unit on every machine that runs it. Answers 200
 * with a `RestartEntity`, 404 for a unit that does not exist and 409 for one that is not to run.
 * @param shown waits until the local view shows a write
 */
export async function restartUnit(
  registry: Registry,
  name: UnitName,
  by: Caller,
  shown: (revision: Revision) => Promise<void>,
): Promise<Response> {
  try {
    const { restart, revision } = await registry.restart(name, by);
    await shown(revision);
    const entity: RestartEntity = { restart };
    return answer(entity);
  } catch (error) {
    if (isFault(error, "unit-not-launched")) return refuse(409, error.message);
    throw error;
  }
}
