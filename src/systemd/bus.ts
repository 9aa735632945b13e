import dbus from "dbus-native";
import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { Fault, sentenceOf } from "../lib/fault.ts";

/** One method call: where to, what, with which arguments (`signature` describes `body`). */
export interface Call {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
}

/** A signal as it came from the bus. */
export interface Signal {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
}

export interface BusEvents {
  /** Runs on every new connection before any other call does; the connection counts as up when it has resolved. */
  readonly greet: () => Promise<void>;
  readonly signal: (signal: Signal) => void;
  /** The connection is up again after a loss: signals were missed. */
  readonly restored: () => void;
}

/** The address of the system bus as the D-Bus specification names it. */
export const systemBusAddress = "unix:path=/run/dbus/system_bus_socket";

/** dbus-daemon refuses calls beyond 128 unanswered ones per connection; systemd's clients share that. */
const mostCallsInFlight = 64;
/** How long a call waits for its reply; libdbus, GDBus and sd-bus use the same. */
const callLimitMs = 25_000;
/** How long dialling and greeting may take altogether. */
const dialLimitMs = 10_000;
/** How many calls may wait for their turn; a batch of units is far below. */
const mostCallsWaiting = 100_000;
const redial: Backoff = { firstMs: 50, mostMs: 5_000 };

/**
 * A connection to a message bus that dials again, with jittered back-off, when it was lost.
 * Nothing is retried: a call in flight at that moment fails with Fault `manager-unavailable`.
 */
export class Bus {
  readonly #env: Env;
  readonly #address: string;
  readonly #events: BusEvents;
  readonly #ended = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #client: dbus.MessageBus | undefined;
  #inFlight = 0;

  /** Does not connect yet; see `connect`. */
  constructor(env: Env, address: string, events: BusEvents) {
    this.#env = env;
    this.#address = address;
    this.#events = events;
  }

  /** Connects for the first time; throws Fault `manager-unavailable` when the bus cannot be reached now. */
  async connect(): Promise<void> {
    const client = dbus.createClient({
      busAddress: this.#address,
      authMethods: ["EXTERNAL"],
      timeout: callLimitMs,
    });
    try {
      await this.#dialled(client);
      client.connection.on("message", (message) => this.#receive(client, message));
      this.#client = client;
      await this.#events.greet();
    } catch (error) {
      this.#client = undefined;
      client.connection.stream.destroy();
      throw new Fault(
        "manager-unavailable",
        `cannot reach systemd over ${this.#address}: ${sentenceOf(error)}; check that dbus runs there`,
        { cause: error },
      );
    }
    client.connection.once("close", () => this.#lost(client));
  }

  /**
   * Makes a call and gives its reply: nothing, the value, or an array when there are several.
   * Throws Fault `bus-refused` with the other side's words (`cause` is the DBusError with its `dbusName`), or
   * `manager-unavailable` when there is no connection or no reply in time.
   */
  async call(call: Call): Promise<unknown> {
    await this.#turn();
    try {
      return await this.#send(call);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }

  /** Asks the bus for the signals that fit a match rule, as long as this connection lasts. */
  async match(rule: string): Promise<void> {
    const name = "org.freedesktop.DBus";
    const path = "/org/freedesktop/DBus";
    await this.call({
      destination: name,
      path,
      interface: name,
      member: "AddMatch",
      signature: "s",
      body: [rule],
    });
  }

  /** Drops the connection as if it had been lost; it is dialled again. */
  hangUp(): void {
    this.#client?.connection.stream.destroy();
  }

  /** Ends the connection for good. */
  async close(): Promise<void> {
    this.#ended.abort(new Fault("manager-unavailable", `the connection to ${this.#address} was closed`));
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined) await client.close();
  }

  /** Waits for one of the places for calls in flight; whoever leaves hands its place to the next. */
  async #turn(): Promise<void> {
    if (this.#inFlight < mostCallsInFlight) {
      this.#inFlight++;
      return;
    }
    if (this.#waiting.length >= mostCallsWaiting) {
      throw new Fault(
        "manager-unavailable",
        `cannot ask ${this.#address}: ${mostCallsWaiting} calls wait for it already; try again later`,
      );
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #send(call: Call): Promise<unknown> {
    const client = this.#client;
    if (client === undefined) {
      throw new Fault(
        "manager-unavailable",
        `cannot ask ${call.destination} for ${call.member}: no connection to ${this.#address}; it is dialled again until it answers`,
      );
    }
    const { body, ...head } = call;
    const message: dbus.Message = body === undefined ? head : { ...head, body: [...body] };
    try {
      return await client.invoke<unknown>(message);
    } catch (error) {
      throw faultOf(call, error);
    }
  }

  async #dialled(client: dbus.MessageBus): Promise<void> {
    const timely = new AbortController();
    const connected = new Promise<void>((resolve, reject) => {
      client.connection.on("error", reject);
      client.connection.once("close", () => reject(new Error("the connection was closed")));
      client.connection.once("connect", () => resolve());
    });
    const late = this.#env.clock.sleep(dialLimitMs, timely.signal).then(() => {
      throw new Error(`no answer within ${dialLimitMs} ms`);
    });
    late.catch(ignoreAbort);
    try {
      await Promise.race([connected, late]);
    } finally {
      timely.abort();
    }
  }

  #receive(client: dbus.MessageBus, message: dbus.Message): void {
    if (client !== this.#client || message.type !== dbus.messageType.signal) return;
    const { path = "", interface: of = "", member = "", body = [] } = message;
    this.#events.signal({ path, interface: of, member, body });
  }

  #lost(client: dbus.MessageBus): void {
    if (this.#client === client) this.#client = undefined;
    if (this.#ended.signal.aborted) return;
    this.#env.log.warning("the connection to the message bus was lost, dialling again", {
      address: this.#address,
    });
    this.#redial().catch((error: unknown) => {
      if (!this.#ended.signal.aborted) this.#env.log.error(`stopped dialling the bus: ${sentenceOf(error)}`);
    });
  }

  async #redial(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#env.clock.sleep(pauseMs(redial, attempt, this.#env.random()), this.#ended.signal);
      try {
        await this.connect();
        break;
      } catch (error) {
        this.#env.log.debug(sentenceOf(error), { attempt });
      }
    }
    this.#env.log.info("connected to the message bus again", { address: this.#address });
    this.#events.restored();
  }
}

/** True when the other side refused with the D-Bus error of that name. */
export function isRefusal(error: unknown, ...dbusNames: readonly string[]): boolean {
  if (!(error instanceof Fault) || error.code !== "bus-refused") return false;
  const name = error.cause instanceof dbus.DBusError ? error.cause.dbusName : undefined;
  return name !== undefined && dbusNames.includes(name);
}

function faultOf(call: Call, error: unknown): Fault {
  const wasRefused =
    error instanceof dbus.DBusError &&
    !(error instanceof dbus.TimeoutError) &&
    !(error instanceof dbus.ConnectionClosedError) &&
    error.dbusName !== undefined &&
    !unreachableNames.has(error.dbusName);
  if (wasRefused) return new Fault("bus-refused", error.message, { cause: error });
  return new Fault(
    "manager-unavailable",
    `cannot ask ${call.destination} for ${call.member}: ${sentenceOf(error)}`,
    { cause: error },
  );
}

/** Errors the bus itself answers with when nobody is behind the name, or when that one left without answering. */
const unreachableNames: ReadonlySet<string> = new Set([
  "org.freedesktop.DBus.Error.NoReply",
  "org.freedesktop.DBus.Error.ServiceUnknown",
  "org.freedesktop.DBus.Error.NameHasNoOwner",
  "org.freedesktop.DBus.Error.Disconnected",
]);

function ignoreAbort(): void {
  // The dial ended before its limit; the aborted sleep says so by rejecting.
}
