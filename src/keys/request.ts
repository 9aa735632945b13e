import { changedDeadline, deadlineAfter } from "./deadline.ts";
import { isKeysError, keysError, type KeysError } from "./errors.ts";
import type { Form } from "./form.ts";
import type { Condition, ReadOperation, WatchOperation, WriteOperation } from "./model.ts";

/** Methods that keys understand, in the order in which 405 lists them. */
export const keysMethods = ["HEAD", "GET", "PUT", "POST", "DELETE"] as const;
export type KeysMethod = (typeof keysMethods)[number];

/** A request whose parameters are in order. */
export interface KeysRequest {
  readonly operation: ReadOperation | WatchOperation | WriteOperation;
  /** Answer a successful write with its action alone. */
  readonly actionOnly: boolean;
  /** Whether everything below the key is asked for, also where the operation makes nothing of it. */
  readonly recursive: boolean;
}

/** The longest unsigned 64-bit number in decimal has 20 digits; leading zeros may make it longer. */
const mostUnsigned = 2n ** 64n - 1n;

const truths: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

/**
 * Which operation a request is. All parameters are checked for every method, in etcd's order, and the first that is
 * wrong is the error.
 * @param path the key, clean and without a slash at its end
 * @param nowMs when the request came; lifetimes are counted from there
 */
export function readRequest(
  method: KeysMethod,
  path: string,
  form: Form,
  nowMs: number,
): KeysRequest | KeysError {
  if (form.problem !== undefined) return keysError(210, form.problem);
  const parameters = readParameters(method, form.values);
  if (isKeysError(parameters)) return parameters;
  const operation = operationOf(method, path, parameters, nowMs);
  const actionOnly = parameters.noValueOnSuccess && (method === "PUT" || method === "POST");
  return { operation, actionOnly, recursive: parameters.recursive };
}

interface Parameters {
  readonly value: string;
  readonly ttl: bigint | undefined;
  readonly condition: Condition;
  readonly prevExist: boolean | undefined;
  readonly refresh: boolean;
  readonly waitIndex: number;
  readonly recursive: boolean;
  readonly sorted: boolean;
  readonly wait: boolean;
  readonly dir: boolean;
  readonly quorum: boolean;
  readonly stream: boolean;
  readonly noValueOnSuccess: boolean;
}

/** Carries the first wrong parameter out of `readParameters`. */
class Refusal extends Error {
  readonly answer: KeysError;
  constructor(answer: KeysError) {
    super(answer.cause);
    this.answer = answer;
  }
}

function readParameters(method: KeysMethod, values: ReadonlyMap<string, string>): Parameters | KeysError {
  try {
    const prevIndex = indexOf(values, "prevIndex");
    const waitIndex = indexOf(values, "waitIndex");
    const recursive = truthOf(values, "recursive") ?? false;
    const sorted = truthOf(values, "sorted") ?? false;
    const wait = truthOf(values, "wait") ?? false;
    const dir = truthOf(values, "dir") ?? false;
    const quorum = truthOf(values, "quorum") ?? false;
    const stream = truthOf(values, "stream") ?? false;
    refuseIf(wait && method !== "GET", 209, '"wait" can only be used with GET requests');
    const prevValue = values.get("prevValue");
    refuseIf(prevValue === "", 201, '"prevValue" cannot be empty');
    const noValueOnSuccess = truthOf(values, "noValueOnSuccess") ?? false;
    const ttlText = values.get("ttl") ?? "";
    const ttl = ttlText === "" ? undefined : unsigned(ttlText);
    refuseIf(ttlText !== "" && ttl === undefined, 202, 'invalid value for "ttl"');
    const prevExist = truthOf(values, "prevExist", "prevExist");
    const refresh = truthOf(values, "refresh", "refresh") ?? false;
    const value = values.get("value") ?? "";
    refuseIf(refresh && value !== "", 211, "A value was provided on a refresh");
    refuseIf(refresh && ttl === undefined, 212, "No TTL value set");
    const condition = { value: prevValue ?? "", index: prevIndex };
    const common = { value, ttl, condition, prevExist, refresh, waitIndex: Number(waitIndex) };
    return { ...common, recursive, sorted, wait, dir, quorum, stream, noValueOnSuccess };
  } catch (refusal) {
    if (refusal instanceof Refusal) return refusal.answer;
    throw refusal;
  }
}

function operationOf(
  method: KeysMethod,
  path: string,
  parameters: Parameters,
  nowMs: number,
): KeysRequest["operation"] {
  const { value, ttl, condition, prevExist, refresh, dir: directory, recursive } = parameters;
  const { sorted, quorum, wait, stream, waitIndex } = parameters;
  const conditional = condition.value !== "" || condition.index !== 0n;
  if (method === "GET" && wait && !quorum) return { do: "watch", path, recursive, stream, waitIndex };
  // HEAD leaves quorum out, as in etcd.
  if (method === "GET") return { do: "read", path, recursive, sorted, quorum };
  if (method === "HEAD") return { do: "read", path, recursive, sorted, quorum: false };
  if (method === "DELETE") {
    if (conditional) return { do: "compareAndDelete", path, condition };
    return { do: "delete", path, directory, recursive };
  }
  const deadlineMs = ttl === undefined ? undefined : deadlineAfter(nowMs, ttl);
  const content = { path, value, deadlineMs };
  if (method === "POST") return { do: "create", ...content, directory, inOrder: true };
  if (prevExist === false) return { do: "create", ...content, directory, inOrder: false };
  const changed = { ...content, deadlineMs: ttl === undefined ? undefined : changedDeadline(nowMs, ttl) };
  if (conditional) return { do: "compareAndSwap", ...changed, refresh, condition };
  if (prevExist === true) return { do: "update", ...changed, refresh };
  return { do: "set", ...content, directory, refresh };
}

function refuseIf(wrong: boolean, code: KeysError["errorCode"], cause: string): void {
  if (wrong) throw new Refusal(keysError(code, cause));
}

function indexOf(values: ReadonlyMap<string, string>, name: string): bigint {
  const text = values.get(name);
  const index = text === undefined ? 0n : unsigned(text);
  if (index === undefined) throw new Refusal(keysError(203, `invalid value for "${name}"`));
  return index;
}

/** @param shown how the error names the parameter: in quotes, but for two that etcd names without */
function truthOf(
  values: ReadonlyMap<string, string>,
  name: string,
  shown = `"${name}"`,
): boolean | undefined {
  const text = values.get(name);
  if (text === undefined) return undefined;
  const truth = truths.get(text);
  if (truth === undefined) throw new Refusal(keysError(209, `invalid value for ${shown}`));
  return truth;
}

function unsigned(text: string): bigint | undefined {
  if (!/^\d+$/.test(text) || text.length > 1000) return undefined;
  const number = BigInt(text);
  return number <= mostUnsigned ? number : undefined;
}
