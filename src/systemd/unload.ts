import type { UnitName } from "../fleet/model.ts";
import { sentenceOf } from "../lib/fault.ts";
import { inBatch } from "./batch.ts";
import { hasInstall } from "./load.ts";
import { isDown, type Manager } from "./manager.ts";
import type { Reloads } from "./reloads.ts";
import type { UnitDirectory } from "./unit-directory.ts";

/**
 * Takes stopped units away: links and [Install], the failed state, the files. systemd lets go of a stopped unit by
 * itself; it is told to reload only when it still holds one. A unit that runs is left as it is, with a problem.
 */
export async function unloadUnits(
  manager: Manager,
  directory: UnitDirectory,
  names: readonly UnitName[],
  reloads: Reloads,
): Promise<ReadonlyMap<UnitName, string>> {
  const problems = new Map<UnitName, string>();
  const ours = [...new Set(names)].filter((name) => directory.has(name));
  const held = await manager.unitsHeld(ours);
  for (const unit of held) {
    if (isDown(unit)) continue;
    problems.set(unit.name, `cannot unload ${unit.name}: it is ${unit.active}; stop it first`);
  }
  const stopped = ours.filter((name) => !problems.has(name));
  const installed = stopped.filter((name) => hasInstall(directory.read(name) ?? ""));
  const refused = await inBatch(installed, (some) => manager.disable(some));
  for (const [name, why] of refused) problems.set(name, `cannot unload ${name}: systemd says: ${why}`);

  const gone = stopped.filter((name) => !problems.has(name));
  const failed = held.filter((unit) => unit.active === "failed" && !problems.has(unit.name));
  // Refused only when systemd let go of the unit in the meantime, which is what we want of it.
  await Promise.all(failed.map((unit) => inBatch([unit.name], () => manager.resetFailed(unit.name))));
  for (const name of gone) {
    try {
      directory.unlink(name);
      directory.remove(name);
    } catch (error) {
      problems.set(name, `cannot unload ${name}: its unit file cannot be deleted: ${sentenceOf(error)}`);
    }
  }
  const stillHeld = (await manager.unitsHeld(gone)).filter((unit) => unit.load !== "not-found");
  if (stillHeld.length > 0) await reloads.reload(stillHeld.map(({ name }) => name));
  return problems;
}
