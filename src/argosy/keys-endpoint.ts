import type { Call, Flag } from "../cli/command.ts";
import { ClusterClient } from "../keys/client.ts";
import { KeysClient } from "../keys/client-keys.ts";
import { clientTransport } from "../keys/client-transport.ts";

const defaultEndpoint = "http://127.0.0.1:4001";
const headLimitMs = 5_000;

/** The flag of a command that asks the keys API; the variable is locksmithctl's. @param name `endpoint`, where that is free */
export function keysFlag(name: string): Flag {
  return {
    name,
    kind: "text",
    placeholder: "URL,...",
    summary: "the servers of the keys API",
    otherwise: defaultEndpoint,
    variable: "LOCKSMITHCTL_ENDPOINT",
  };
}

/** A client of the keys API that a call's flag names. @param wholeLimitMs for all its requests; none when not given */
export function connectKeys(call: Call, name: string, wholeLimitMs = Number.POSITIVE_INFINITY): KeysClient {
  const begin = call.env.clock.monotonic();
  const leftMs = (): number =>
    wholeLimitMs === Number.POSITIVE_INFINITY
      ? headLimitMs
      : wholeLimitMs - (call.env.clock.monotonic() - begin);
  return new KeysClient(
    new ClusterClient({
      transport: clientTransport({ keyFile: "", certFile: "", caFile: "" }),
      endpoints: (call.flags.text(name) ?? defaultEndpoint).split(","),
      authorization: "",
      headLimitMs,
      leftMs,
      onRequest: () => {},
      signal: call.signal,
    }),
  );
}
