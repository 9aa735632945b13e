import { FakeMachineControl } from "./fake-machine-control.ts";
import { machineControlContract } from "./machine-control-contract.ts";

machineControlContract("the fake", async () => {
  const control = new FakeMachineControl();
  return {
    control,
    inhibit: async () => {
      control.inhibit({ who: "contract", why: "a test" });
      return async () => control.permit();
    },
    logIn: async () => {
      control.loggedIn.push("root");
      return async () => {
        control.loggedIn.length = 0;
        control.changed();
      };
    },
    startUnits: async ({ a, b, c }) => {
      control.ties.set(a, { name: a, after: [], requires: [] });
      control.ties.set(b, { name: b, after: [a], requires: [] });
      control.ties.set(c, { name: c, after: [], requires: [b] });
    },
    ended: async () => control.jobs.map((job) => job.replace("stop ", "")),
    setHealth: async (isHealthy) => {
      control.bootProblem = isHealthy ? undefined : "a check has failed";
    },
    afterReboot: async () => {
      control.boot();
      return control;
    },
  };
});
