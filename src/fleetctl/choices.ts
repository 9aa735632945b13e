import type { Choices } from "../cli/command.ts";
import type { Connect } from "./connect.ts";

/** For completion: the units of the registry, each with what is wanted of it. */
export function knownUnits(connect: Connect): Choices {
  return {
    ask: async (call) => {
      const units = await connect(call).units();
      return units.map(({ name, desiredState }) => ({ word: name, meaning: desiredState }));
    },
  };
}

/** For completion: units of the registry, and files of which units can be made. */
export function createdUnits(connect: Connect): Choices {
  return { ...knownUnits(connect), files: true };
}

/** For completion: the machines that are present, each with its address. */
export function presentMachines(connect: Connect): Choices {
  return {
    ask: async (call) => {
      const machines = await connect(call).machines();
      return machines.map(({ id, primaryIP }) =>
        primaryIP === undefined ? { word: id } : { word: id, meaning: primaryIP },
      );
    },
  };
}
