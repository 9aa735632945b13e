import type { MachineFacts } from "../fleet/presence.ts";
import type { Clock } from "../lib/env.ts";

/**
 * How long this machine takes its address for granted, in ms. It is looked up with the first renewal of its presence after that,
 * so that nothing wakes for it.
 */
const takenForGrantedMs = 10_000;

/** How facts about this machine are found out. */
export interface FactsSource<Settings> {
  /** What these settings have it say of itself, at this address. */
  readonly factsOf: (settings: Settings, address: string) => Promise<MachineFacts>;
  /** Its address as the routing table has it now; empty when it has none. */
  readonly findAddress: () => Promise<string>;
}

/**
 * What this machine says of itself: what its settings say, and the address it has now, which another lease of DHCP or a network
 * that came late may change (fleet v1.0.0 looked every minute).
 */
export class OwnFacts<Settings> {
  readonly #clock: Clock;
  readonly #source: FactsSource<Settings>;
  /** Called when the machine has something else to say. */
  readonly #changed: () => void;
  #told: { readonly settings: Settings; readonly address: string; readonly facts: MachineFacts };
  #lookedAtMs: number;

  private constructor(
    clock: Clock,
    source: FactsSource<Settings>,
    changed: () => void,
    told: { settings: Settings; address: string; facts: MachineFacts },
  ) {
    this.#clock = clock;
    this.#source = source;
    this.#changed = changed;
    this.#told = told;
    this.#lookedAtMs = clock.monotonic();
  }

  static async find<Settings>(
    clock: Clock,
    source: FactsSource<Settings>,
    settings: Settings,
    changed: () => void,
  ): Promise<OwnFacts<Settings>> {
    const address = await source.findAddress();
    const facts = await source.factsOf(settings, address);
    return new OwnFacts(clock, source, changed, { settings, address, facts });
  }

  get current(): MachineFacts {
    return this.#told.facts;
  }

  /** Says from now on what other settings say. */
  async follow(settings: Settings): Promise<void> {
    const address = await this.#source.findAddress();
    this.#told = { settings, address, facts: await this.#source.factsOf(settings, address) };
    this.#changed();
  }

  /** Looks the address up again when that is due. A machine without one keeps saying the last that it had. */
  async lookAgain(): Promise<void> {
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#lookedAtMs < takenForGrantedMs) return;
    this.#lookedAtMs = nowMs;
    const before = this.#told;
    const address = await this.#source.findAddress();
    if (address === "" || address === before.address) return;
    const facts = await this.#source.factsOf(before.settings, address);
    // Settings that were read meanwhile have looked at the address as well.
    if (this.#told !== before) return;
    this.#told = { settings: before.settings, address, facts };
    if (facts.address !== before.facts.address || facts.api !== before.facts.api) this.#changed();
  }
}
