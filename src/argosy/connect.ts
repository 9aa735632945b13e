import type { Call, Choices, Flag } from "../cli/command.ts";
import { FleetClient } from "../fleet/api-client.ts";
import { transportTo } from "../fleet/api-transport.ts";

/** The flag of every command that asks the fleet API; the variable is fleetctl's, because the endpoint is the same. */
export const endpointFlag: Flag = {
  name: "endpoint",
  kind: "text",
  placeholder: "URL",
  summary: "the fleet API to use: unix, file, http or https",
  otherwise: "unix:///run/fleet.sock",
  variable: "FLEETCTL_ENDPOINT",
};

/** Gives a command its client. Throws Fault `bad-endpoint`. */
export type ConnectFleet = (call: Call) => FleetClient;

/** A client of the API that a call's flag names. */
export const connectFleet: ConnectFleet = (call) =>
  new FleetClient(transportTo(call.flags.text("endpoint") ?? "", { keyFile: "", certFile: "", caFile: "" }));

/** What a shell offers where a unit of the registry stands. */
export function unitChoices(connect: ConnectFleet): Choices {
  return { ask: async (call) => (await connect(call).units()).map(({ name }) => ({ word: name })) };
}
