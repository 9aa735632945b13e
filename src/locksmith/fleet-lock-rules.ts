/** Fleet lock protocol, version 1: an HTTP request as its rules see it. */
export interface FleetLockRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** The header `fleet-lock-protocol`, or undefined. */
  readonly protocol: string | undefined;
  readonly body: string;
}

export interface FleetLockAnswer {
  readonly status: number;
  /** Empty on success. */
  readonly body: string;
}

/** What a machine asks for. */
export interface FleetLockWish {
  readonly deed: "pre-reboot" | "steady-state";
  readonly id: string;
  readonly group: string;
}

/** The longest body that is read, in bytes; a real one has some hundred. */
export const mostBodyBytes = 64 * 1024;

/** Yes. */
export const granted: FleetLockAnswer = { status: 200, body: "" };

/** No, with what a machine and a person may want to know (the kinds are those of airlock, the reference server). */
export function denied(status: number, kind: string, value: string): FleetLockAnswer {
  return { status, body: `${JSON.stringify({ kind, value })}\n` };
}

/**
 * Understands a request, or answers it when it asks for nothing.
 * @param groups those that are served; empty: any
 */
export function wishOf(
  { method, path, protocol, body }: FleetLockRequest,
  groups: readonly string[],
): FleetLockWish | FleetLockAnswer {
  const deed = /^\/+v1\/(pre-reboot|steady-state)$/.exec(path)?.[1];
  if (deed === undefined) {
    return denied(404, "not_found", `there is nothing at ${path}; ask /v1/pre-reboot or /v1/steady-state`);
  }
  if (method !== "POST")
    return denied(405, "method_not_allowed", `${method} is not part of the protocol; use POST`);
  if (protocol !== "true") return unidentified("the header fleet-lock-protocol is not true");
  const parameters = parametersOf(body);
  if (parameters === undefined) return unidentified("the body is no JSON object with client_params");
  const { id, group } = parameters;
  if (typeof id !== "string" || id === "") return unidentified("the id is empty");
  if (typeof group !== "string" || group === "") return unidentified("the group is empty");
  // The protocol's own pattern; and "." and ".." are no names of keys.
  const isName = /^[a-zA-Z0-9.-]+$/.test(group) && !/^\.{1,2}$/.test(group);
  if (!isName || (groups.length > 0 && !groups.includes(group))) {
    return denied(400, "unknown_group", `unknown group ${JSON.stringify(group)}`);
  }
  return { deed: deed === "pre-reboot" ? "pre-reboot" : "steady-state", id, group };
}

/** The group of the lock: the protocol's `default` is locksmith's group without a name. */
export function lockGroupOf({ group }: FleetLockWish): string {
  return group === "default" ? "" : group;
}

function unidentified(reason: string): FleetLockAnswer {
  return denied(400, "invalid_client_identity", `failed to validate client identity: ${reason}`);
}

function parametersOf(body: string): { id?: unknown; group?: unknown } | undefined {
  try {
    const { client_params: parameters } = (JSON.parse(body) ?? {}) as { client_params?: unknown };
    return typeof parameters === "object" && parameters !== null ? parameters : undefined;
  } catch {
    return undefined;
  }
}
