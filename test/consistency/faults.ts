import type { Lab } from "../../src/lab/lab.ts";
import type { Machine } from "../../src/lab/machine.ts";

/** One thing that goes wrong with a machine, and how it is put right. */
export interface Fault {
  readonly what: string;
  /** Makes it; the function returned ends it. */
  make(lab: Lab, machine: Machine): Promise<() => Promise<void>>;
}

/** They take turns, each with a machine that is drawn by lot. */
export const faults: readonly Fault[] = [
  {
    what: "MACHINE loses its power",
    async make(lab, machine) {
      await lab.kill(machine.name);
      return async () => await lab.revive(machine.name);
    },
  },
  paused("etcd-member.service"),
  {
    what: "MACHINE's cable is cut",
    async make(_, machine) {
      await machine.cutLink();
      return async () => await machine.restoreLink();
    },
  },
  paused("etcd.service"),
  {
    what: "MACHINE and the next one are apart from the others",
    async make(lab, machine) {
      const next = lab.machines[machine.number % lab.machines.length] ?? machine;
      const names = [machine.name, next.name];
      const others = lab.machines.map(({ name }) => name).filter((name) => !names.includes(name));
      await lab.partition(others, names);
      return async () => await lab.heal();
    },
  },
  killed("etcd-member.service"),
  killed("etcd.service"),
];

function paused(service: string): Fault {
  return {
    what: `MACHINE's ${service} is stopped in its tracks (SIGSTOP)`,
    async make(_, machine) {
      await machine.exec(["systemctl", "kill", "--signal=STOP", service]);
      return async () => void (await machine.exec(["systemctl", "kill", "--signal=CONT", service]));
    },
  };
}

function killed(service: string): Fault {
  return {
    what: `MACHINE's ${service} is killed`,
    async make(_, machine) {
      await machine.exec(["systemctl", "kill", "--signal=KILL", service]);
      return async () => undefined;
    },
  };
}
