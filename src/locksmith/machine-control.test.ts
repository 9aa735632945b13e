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
    setHealth: async (isHealthy) => {
      control.bootProblem = isHealthy ? undefined : "a check has failed";
    },
    afterReboot: async () => {
      control.boot();
      return control;
    },
  };
});
