import { orAborted } from "../lib/aborted.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { type Mirror, openMirror } from "../store/mirror.ts";
import { under } from "../store/range.ts";
import type { Revision, Store } from "../store/store.ts";
import type { MachineId } from "./model.ts";
import { FleetPicture } from "./picture.ts";
import { fleetPrefix, type FleetView } from "./registry.ts";
import type { ViewSource } from "./store-registry.ts";

/** Why the pause ends before an unused picture is dropped; made once, because every request ends one. */
const isUsedAgain = new Fault("used-again", "the picture is used again");

/** Someone's use of the shared picture; release it when done. */
export interface Held {
  readonly picture: FleetPicture;
  readonly mirror: Mirror;
  release(): void;
}

interface Open {
  readonly picture: FleetPicture;
  readonly mirror: Mirror;
  readonly stop: AbortController;
}

/**
 * One decoded copy of fleet's part of the store for a whole daemon, kept only while somebody uses it: the engine while it
 * leads, the API while it is asked. So the cost of starting a unit does not grow with the number of machines.
 */
export class SharedPicture implements ViewSource {
  readonly #env: Env;
  readonly #store: Store;
  readonly #idleMs: number;
  readonly #listeners = new Set<() => void>();
  #open: Open | undefined;
  #users = 0;
  #idle: AbortController | undefined;

  /** @param idleMs how long an unused picture is kept up to date before it is dropped */
  constructor(env: Env, store: Store, idleMs: number) {
    this.#env = env;
    this.#store = store;
    this.#idleMs = idleMs;
  }

  /** Opens the picture if nobody has, and resolves when its first read is done; rejects with the signal's reason. */
  async hold(signal: AbortSignal): Promise<Held> {
    this.#users += 1;
    this.#idle?.abort(isUsedAgain);
    this.#idle = undefined;
    const open = (this.#open ??= this.#start());
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#users -= 1;
      if (this.#users === 0) this.#rest(open);
    };
    try {
      await orAborted(open.mirror.ready, signal);
    } catch (error) {
      release();
      throw error;
    }
    return { picture: open.picture, mirror: open.mirror, release };
  }

  view(): FleetView {
    if (this.#open === undefined || this.#open.mirror.revision === 0)
      throw new Fault("registry-unavailable", "fleet has not read the store yet; try again in a moment");
    return this.#open.picture.view();
  }

  /** Where a machine's fleet API is reached; undefined when that is not known now. */
  apiOf(machine: MachineId): string | undefined {
    return this.#open?.picture.apiOf(machine);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async reached(revision: Revision, signal: AbortSignal): Promise<void> {
    await this.#open?.mirror.reached(revision, signal);
  }

  /** Ends the copy now. */
  close(): void {
    this.#idle?.abort(isUsedAgain);
    this.#open?.stop.abort(new Error("closing"));
    this.#open = undefined;
  }

  #start(): Open {
    const stop = new AbortController();
    const picture = new FleetPicture();
    const mirror = openMirror(this.#env, this.#store, under(fleetPrefix), stop.signal);
    mirror.subscribe((changes) => {
      picture.apply(changes, mirror.revision);
      this.#reportUnreadable(picture);
      for (const listener of this.#listeners) listener();
    });
    return { picture, mirror, stop };
  }

  #reportUnreadable(picture: FleetPicture): void {
    for (const key of picture.unreadable)
      this.#env.log.error(
        `the record ${key} in the store cannot be read and is ignored; delete it or write it anew`,
      );
    picture.unreadable.clear();
  }

  #rest(open: Open): void {
    const idle = new AbortController();
    this.#idle = idle;
    this.#env.clock.sleep(this.#idleMs, idle.signal).then(
      () => {
        if (this.#users > 0 || this.#open !== open) return;
        this.#open = undefined;
        open.stop.abort(new Error("idle"));
      },
      () => undefined,
    );
  }
}
