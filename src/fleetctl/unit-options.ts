import type { UnitEntity } from "../fleet/api-entities.ts";
import type { UnitFile } from "../unit/unit-file.ts";

/** The unit file of a unit as the API sends it, where empty parts are left out. */
export function fileOf({ options }: UnitEntity): UnitFile {
  return (options ?? []).map(({ section = "", name = "", value = "" }) => ({ section, name, value }));
}
