import { type Action, type JobMethod, writeText } from "../actions.ts";
import { goQuoted } from "../../lib/go-quote.ts";
import type { TypedStruct } from "../read-config.ts";

/** A unit as the configuration or another directive wants it. */
export interface UnitWish {
  readonly name: string;
  readonly content?: string;
  readonly mask?: boolean;
  readonly enable?: boolean;
  readonly runtime?: boolean;
  readonly command?: string;
  readonly dropIns?: readonly { readonly name: string; readonly content: string }[];
}

/** `coreos.units`, and what `coreos.update` wants of the services that read its file. */
export function unitWishes(config: TypedStruct): {
  readonly wishes: readonly UnitWish[];
  readonly notes: readonly Action[];
} {
  const given = config.struct("coreos").structs("units");
  const wishes = given
    .filter((unit) => unit.text("name") !== "")
    .map((unit) => ({
      name: unit.text("name"),
      content: unit.text("content"),
      mask: unit.on("mask"),
      enable: unit.on("enable"),
      runtime: unit.on("runtime"),
      command: unit.text("command"),
      dropIns: unit
        .structs("drop_ins")
        .map((each) => ({ name: each.text("name"), content: each.text("content") }))
        .filter(({ name, content }) => name !== "" && content !== ""),
    }));
  const notes = given
    .filter((unit) => unit.text("name") === "")
    .map((): Action => ({ kind: "note", sentence: "Skipping unit without name" }));
  return { wishes, notes };
}

/** What `coreos.update` asks of services. */
export function updateWishes(config: TypedStruct): readonly UnitWish[] {
  const given = config.struct("coreos").struct("update");
  const strategy = given.text("reboot_strategy");
  const locksmith: UnitWish = { name: "locksmithd.service", runtime: true, command: "restart" };
  return [
    ...(strategy === ""
      ? []
      : [strategy === "off" ? { ...locksmith, mask: true, command: "stop" } : locksmith]),
    ...(given.text("group") === "" && given.text("server") === ""
      ? []
      : [{ name: "update-engine.service", command: "restart" }]),
  ];
}

const methods: Readonly<Record<string, JobMethod>> = {
  start: "StartUnit",
  stop: "StopUnit",
  restart: "RestartUnit",
  reload: "ReloadUnit",
  "try-restart": "TryRestartUnit",
  "reload-or-restart": "ReloadOrRestartUnit",
  "reload-or-try-restart": "ReloadOrTryRestartUnit",
};

/**
 * Writes, masks and enables units, then reloads once, then carries out the commands in order.
 * @param own the units of the configuration
 * @param settings drop-ins of services, which have been planned elsewhere and count as written
 * @param others the units that other directives want
 */
export function units(
  own: readonly UnitWish[],
  settings: readonly Action[],
  others: readonly UnitWish[],
): readonly Action[] {
  const wishes = [...own, ...others];
  const prepared = [...own.flatMap(prepare), ...settings, ...others.flatMap(prepare)];
  const writes = prepared.some(({ kind }) => kind === "write-file");
  const network = wishes.some(({ name }) => isNetworkUnit(name));
  const commands = wishes.filter(({ name, command = "" }) => command !== "" && !isNetworkUnit(name));
  return [
    ...prepared,
    ...(writes ? [{ kind: "reload" } as const] : []),
    ...(network ? [{ kind: "job", method: "RestartUnit", unit: "systemd-networkd.service" } as const] : []),
    ...commands.map(({ name, command = "" }): Action => {
      const method = Object.hasOwn(methods, command) ? methods[command] : undefined;
      if (method === undefined)
        return { kind: "fail", sentence: `Unsupported systemd command ${goQuoted(command)}` };
      return { kind: "job", method, unit: name };
    }),
  ];
}

function prepare(wish: UnitWish): readonly Action[] {
  const { name, content = "", mask = false, enable = false, runtime = false, dropIns = [] } = wish;
  const bad = [name, ...dropIns.map((each) => each.name)].find(
    (each) => each.includes("/") || /^\.*$/.test(each),
  );
  if (bad !== undefined) {
    return [
      {
        kind: "fail",
        sentence: `${goQuoted(bad)} is no name of a unit or drop-in: it must not hold a slash.`,
      },
    ];
  }
  const folder = `${runtime ? "/run" : "/etc"}/systemd/${isNetworkUnit(name) ? "network" : "system"}`;
  const path = `${folder}/${name}`;
  return [
    ...(content === "" ? [] : [writeText(path, content)]),
    ...dropIns.map((each) => writeText(`${path}.d/${each.name}`, each.content)),
    ...(mask ? [{ kind: "mask", path } as const] : runtime ? [{ kind: "unmask", path } as const] : []),
    ...(enable && !isNetworkUnit(name) ? [{ kind: "enable", unit: name, runtime } as const] : []),
  ];
}

function isNetworkUnit(name: string): boolean {
  return /\.(network|netdev|link)$/.test(name);
}
