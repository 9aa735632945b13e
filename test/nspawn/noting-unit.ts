import { readFile } from "node:fs/promises";
import type { FleetLab } from "./fleet-lab.ts";

/** A unit that notes, in one file of its machine's disk, when it starts and when it has ended. */
export function notingUnit(options = ""): string {
  return (
    "[Service]\n" +
    "ExecStart=/bin/sh -c 'echo start $$(date +%%s%%N) >> /root/notes-%p; exec sleep infinity'\n" +
    "ExecStopPost=/bin/sh -c 'echo end $$(date +%%s%%N) >> /root/notes-%p'\n" +
    `[X-Fleet]\n${options}\n`
  );
}

/** When such a service last noted this on a machine, whether the machine runs or not: nanoseconds since 1970. */
export async function noted(
  cluster: FleetLab,
  machine: string,
  service: string,
  what: "start" | "end",
): Promise<bigint> {
  const file = `${cluster.machine(machine).rootDirectory}/root/notes-${service.replace(".service", "")}`;
  let line: string | undefined;
  // systemd takes such a unit for started as soon as it has a process.
  await cluster.waitFor(`${machine} notes the ${what} of ${service}`, async () => {
    const text = await readFile(file, "utf8").catch(() => "");
    line = text.split("\n").findLast((each) => each.startsWith(what) && each.includes(" "));
    return line !== undefined;
  });
  return BigInt(line?.split(" ")[1] ?? "");
}
