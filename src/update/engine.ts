import { type Backoff, pauseMs } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { isFault, sentenceOf } from "../lib/fault.ts";
import { Wake } from "../lib/wake.ts";
import { begin } from "./after-boot.ts";
import { errorCodes } from "./error-codes.ts";
import type { RefusalKind, UpdateMemory } from "./memory.ts";
import type { CheckResult, Offer } from "./offer.ts";
import type { OmahaEvent } from "./omaha.ts";
import { step } from "./policy.ts";
import type { Slots } from "./slots.ts";
import type { Deed, Moment, PolicySettings, Step, UpdateEvent, UpdateState } from "./update-state.ts";

/** What an engine asks of its server. */
export interface Asked {
  readonly onDemand: boolean;
  /** Only to be heard of; the answer does not matter. */
  readonly pingOnly: boolean;
  readonly events: readonly OmahaEvent[];
}

/** Who says what is new. Neither method throws but for the signal's reason. */
export interface UpdateServer {
  check(asked: Asked, state: UpdateState, signal: AbortSignal): Promise<CheckResult>;
  /** Tells of something that happened; false when that did not arrive. */
  tell(event: OmahaEvent, state: UpdateState, signal: AbortSignal): Promise<boolean>;
}

/** What an engine works with. */
export interface EngineParts {
  readonly slots: Slots;
  readonly bootId: string;
  readonly settings: PolicySettings;
  /** Undefined: nobody is asked. */
  readonly server: UpdateServer | undefined;
  readonly memory: MemoryFile;
  /** Whether this machine is well in the first boot of what runs. */
  readonly judge: (signal: AbortSignal) => Promise<Judgement>;
  /** Boots the machine again at once. */
  readonly reboot: () => Promise<void>;
  /** Told of every change. */
  readonly changed: (state: UpdateState) => Promise<void>;
}

export interface Judgement {
  readonly well: boolean;
  /** Why not. */
  readonly sentence: string;
}

/** Where the memory is kept; both throw Fault `update-memory`. */
export interface MemoryFile {
  read(): Promise<UpdateMemory>;
  write(memory: UpdateMemory): Promise<void>;
}

/** Events that wait for the loop; beyond these somebody sends wishes in a circle. */
const mostWaiting = 1_000;

/** Events that the server has not heard of yet; beyond these it is not there. */
const mostUntold = 100;
/** How often an event is sent that does not arrive: for about ten minutes. */
const mostTellings = 15;
const tellAgain: Backoff = { firstMs: 1_000, mostMs: 60_000 };

interface Waiting {
  readonly event: UpdateEvent;
  readonly settle?: (refused: string | undefined) => void;
}

/** Carries out what `policy.ts` decides: one event after the other, memory before deeds. */
export class UpdateEngine {
  readonly #env: Env;
  readonly #parts: EngineParts;
  readonly #inbox: Waiting[] = [];
  readonly #wake = new Wake();
  readonly #tasks = new Set<Promise<void>>();
  #outbox: Promise<void> = Promise.resolve();
  #untold = 0;
  #timer: AbortController | undefined;
  #state: UpdateState | undefined;

  constructor(env: Env, parts: EngineParts) {
    this.#env = env;
    this.#parts = parts;
  }

  /** Undefined until the slots were looked at. */
  get state(): UpdateState | undefined {
    return this.#state;
  }

  /** Looks at the slots and finds out what became of an update that was under way; comes before `run`. */
  async begin(signal: AbortSignal): Promise<void> {
    const [memory, slots] = await Promise.all([this.#parts.memory.read(), this.#parts.slots.look()]);
    const first = begin(this.#parts.settings, memory, slots, this.#parts.bootId, this.#moment());
    await this.#take(first, undefined, signal);
  }

  /** Runs until the signal is aborted. Throws what keeps it from remembering. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const next = this.#inbox.shift();
        if (next === undefined) {
          await this.#wake.next(signal);
          continue;
        }
        const state = this.#state;
        if (state === undefined) return;
        const taken = step(this.#parts.settings, state, next.event, this.#moment());
        await this.#take(taken, state, signal);
        next.settle?.(taken.refused);
      }
    } finally {
      this.#timer?.abort();
      for (const { settle } of this.#inbox.splice(0)) settle?.("the engine stops");
      await Promise.allSettled([...this.#tasks, this.#outbox]);
    }
  }

  /** Has the engine follow a person's wish. Resolves with why it does not, or undefined. */
  async wish(event: UpdateEvent): Promise<string | undefined> {
    if (this.#inbox.length >= mostWaiting) return "too many wishes wait already; try again later";
    return await new Promise((settle) => this.#post({ event, settle }));
  }

  #post(waiting: Waiting): void {
    this.#inbox.push(waiting);
    this.#wake.wake();
  }

  async #take({ state, deeds }: Step, before: UpdateState | undefined, signal: AbortSignal): Promise<void> {
    if (state.memory !== before?.memory) await this.#parts.memory.write(state.memory);
    this.#state = state;
    this.#arm(signal);
    if (state.phase !== before?.phase) {
      const { sentence } = state.failure ?? {};
      if (state.phase === "failed")
        this.#env.log.warning(sentence ?? "an update failed", { code: state.failure?.code });
      else
        this.#env.log.info(`updates: ${state.phase}`, {
          running: state.slots.running,
          version: versionOf(state),
          trial: state.trial ? true : undefined,
        });
    }
    if (state !== before) await this.#parts.changed(state);
    for (const deed of deeds) await this.#carryOut(deed, state, signal);
  }

  /** Sleeps until the next check is due, beside everything else. */
  #arm(signal: AbortSignal): void {
    this.#timer?.abort();
    this.#timer = undefined;
    const state = this.#state;
    if (state === undefined || !Number.isFinite(state.nextMs) || signal.aborted) return;
    const timer = new AbortController();
    this.#timer = timer;
    const leftMs = Math.max(0, state.nextMs - this.#env.clock.monotonic());
    this.#env.clock.sleep(leftMs, timer.signal).then(
      () => this.#post({ event: { on: "due" } }),
      () => undefined,
    );
  }

  async #carryOut(deed: Deed, state: UpdateState, signal: AbortSignal): Promise<void> {
    switch (deed.do) {
      case "ask":
        return this.#beside(async () => await this.#ask(deed, state, signal));
      case "install":
        return this.#beside(async () => await this.#install(deed.offer, deed.folder, signal));
      case "judge":
        return this.#beside(async () => {
          const { well, sentence } = await this.#parts.judge(signal);
          if (!signal.aborted) this.#post({ event: { on: "judged", well, sentence } });
        });
      case "tell":
        return this.#tell(deed.event, state, signal);
      case "bless":
      case "condemn":
      case "reboot":
        await this.#change(deed);
    }
  }

  async #change(deed: Extract<Deed, { readonly do: "bless" | "condemn" | "reboot" }>): Promise<void> {
    const { slots } = this.#parts;
    try {
      if (deed.do === "bless") {
        await slots.bless();
        this.#post({ event: { on: "blessed", slots: await slots.look() } });
      } else if (deed.do === "condemn") {
        await slots.condemn(deed.version);
        this.#env.log.warning("the loader does not take this version any more", { version: deed.version });
        this.#post({ event: { on: "condemned", slots: await slots.look() } });
      } else {
        this.#env.log.error("what runs is not well: the machine boots again, into the version before");
        await this.#parts.reboot();
      }
    } catch (error) {
      this.#post({ event: { on: "broke", code: errorCodes.write, sentence: sentenceOf(error) } });
    }
  }

  async #ask(asked: Asked, state: UpdateState, signal: AbortSignal): Promise<void> {
    const { server } = this.#parts;
    const result: CheckResult =
      server === undefined
        ? {
            kind: "failed",
            code: errorCodes.generic,
            sentence: "there is no update server: set SERVER in /etc/coreos/update.conf",
          }
        : await server.check(asked, state, signal);
    if (!signal.aborted) this.#post({ event: { on: "answer", result, pingOnly: asked.pingOnly } });
  }

  async #install(offer: Offer, folder: string, signal: AbortSignal): Promise<void> {
    const { slots } = this.#parts;
    let toldPercent = -1;
    try {
      await slots.install(
        offer,
        folder,
        ({ fraction, verifying }) => {
          const percent = Math.floor(fraction * 100) + (verifying ? 1000 : 0);
          if (percent === toldPercent) return;
          toldPercent = percent;
          this.#post({ event: { on: "progress", fraction, verifying } });
        },
        signal,
      );
      const picture = await slots.look();
      if (!picture.others.some(({ version, state }) => version === offer.version && state !== "bad")) {
        const sentence = `${offer.version} was installed, but the loader does not see it`;
        this.#post({ event: { on: "broke", code: errorCodes.write, sentence } });
      } else this.#post({ event: { on: "installed", slots: picture } });
    } catch (error) {
      if (signal.aborted) return;
      this.#post({ event: { on: "broke", sentence: sentenceOf(error), ...verdictOn(error) } });
    }
  }

  #tell(event: OmahaEvent, state: UpdateState, signal: AbortSignal): void {
    const { server } = this.#parts;
    if (server === undefined || this.#untold >= mostUntold) return;
    this.#untold++;
    // One after the other, so that they arrive in order.
    this.#outbox = this.#outbox.then(async () => {
      await this.#tellSurely(server, event, state, signal);
      this.#untold--;
    });
  }

  /** Right after a boot the network may be missing, and what a machine tells then is what its server waits for. */
  async #tellSurely(
    server: UpdateServer,
    event: OmahaEvent,
    state: UpdateState,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      for (let attempt = 1; attempt <= mostTellings; attempt++) {
        if (await server.tell(event, state, signal)) return;
        await this.#env.clock.sleep(pauseMs(tellAgain, attempt, this.#env.random()), signal);
      }
      this.#env.log.warning("the update server did not hear of an event", {
        type: event.type,
        result: event.result,
      });
    } catch (error) {
      // The server's knowledge is a help, not a condition; it hears more at the next check.
      if (!signal.aborted) this.#env.log.warning(`cannot tell the update server: ${sentenceOf(error)}`);
    }
  }

  /** Starts what takes long; what it finds out comes back as an event. */
  #beside(work: () => Promise<void>): void {
    const task = work()
      .catch((error: unknown) => {
        this.#post({ event: { on: "broke", code: errorCodes.generic, sentence: sentenceOf(error) } });
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  #moment(): Moment {
    const { clock, random } = this.#env;
    return { wallMs: clock.now(), upMs: clock.monotonic(), chance: random() };
  }
}

function versionOf(state: UpdateState): string | undefined {
  return state.offer?.version ?? state.memory.pending?.version;
}

/** update_engine's code for what went wrong with an installation, and whether the release is refused from now on. */
function verdictOn(error: unknown): { readonly code: number; readonly refuse?: RefusalKind } {
  if (isFault(error, "update-signature")) return { code: errorCodes.badSignature, refuse: "bad-signature" };
  if (isFault(error, "update-list", "update-file"))
    return { code: errorCodes.hashMismatch, refuse: "wrong-file" };
  if (isFault(error, "update-transfer")) return { code: errorCodes.transfer };
  return { code: errorCodes.write };
}
