import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import { type Kept, KeptWhileUsed } from "../lib/kept-while-used.ts";
import { type Mirror, openMirror } from "../store/mirror.ts";
import { under } from "../store/range.ts";
import type { Revision, Store } from "../store/store.ts";
import type { MachineId } from "./model.ts";
import { FleetPicture } from "./picture.ts";
import { fleetPrefix, type FleetView } from "./registry.ts";
import type { ViewSource } from "./store-registry.ts";

/** Someone's use of the shared picture; release it when done. */
export interface Held {
  readonly picture: FleetPicture;
  readonly mirror: Mirror;
  release(): void;
}

interface Open extends Kept {
  readonly picture: FleetPicture;
  readonly mirror: Mirror;
}

/**
 * One decoded copy of fleet's part of the store for a whole daemon, kept only while somebody uses it: the engine while it
 * leads, the API while it is asked. So the cost of starting a unit does not grow with the number of machines.
 */
export class SharedPicture implements ViewSource {
  readonly #env: Env;
  readonly #store: Store;
  readonly #listeners = new Set<() => void>();
  readonly #kept: KeptWhileUsed<Open>;

  /** @param idleMs how long an unused picture is kept up to date before it is dropped */
  constructor(env: Env, store: Store, idleMs: number) {
    this.#env = env;
    this.#store = store;
    this.#kept = new KeptWhileUsed(env.clock, idleMs, () => this.#start());
  }

  /** Opens the picture if nobody has, and resolves when its first read is done; rejects with the signal's reason. */
  async hold(signal: AbortSignal): Promise<Held> {
    const { resource, release } = await this.#kept.hold(signal);
    return { picture: resource.picture, mirror: resource.mirror, release };
  }

  view(): FleetView {
    const open = this.#kept.current;
    if (open === undefined || open.mirror.revision === 0)
      throw new Fault("registry-unavailable", "fleet has not read the store yet; try again in a moment");
    return open.picture.view();
  }

  /** Where a machine's fleet API is reached; undefined when that is not known now. */
  apiOf(machine: MachineId): string | undefined {
    return this.#kept.current?.picture.apiOf(machine);
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async reached(revision: Revision, signal: AbortSignal): Promise<void> {
    await this.#kept.current?.mirror.reached(revision, signal);
  }

  /** Ends the copy now. */
  close(): void {
    this.#kept.close();
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
    return { picture, mirror, ready: mirror.ready, close: () => stop.abort(new Error("not in use")) };
  }

  #reportUnreadable(picture: FleetPicture): void {
    for (const key of picture.unreadable)
      this.#env.log.error(
        `the record ${key} in the store cannot be read and is ignored; delete it or write it anew`,
      );
    picture.unreadable.clear();
  }
}
