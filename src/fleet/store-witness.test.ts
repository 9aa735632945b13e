import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FakeEnv } from "../lib/fake-env.ts";
import { OutageStore } from "../store/fake-outage.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { hashUnitText } from "../unit/hash.ts";
import { AbsenceJudge } from "./absence.ts";
import { FakeMachine } from "./fake-machine.ts";
import { renewalPauseMs } from "./lease-life.ts";
import { StoreWitness } from "./store-witness.ts";

const lifeMs = 10_000;
const pauseMs = renewalPauseMs(lifeMs);

test("a store is steady from its first answer, for as long as answers keep coming", () => {
  const witness = new StoreWitness(lifeMs);
  assert.equal(witness.steadyForMs(50_000), 0);
  witness.answered(50_000, 50_010);
  assert.equal(witness.steadyForMs(50_010), 0);
  for (let atMs = 50_000 + pauseMs; atMs < 90_000; atMs += pauseMs) witness.answered(atMs, atMs + 500);
  assert.equal(witness.steadyForMs(90_000), 39_990);
});

test("a store whose answer is overdue is not steady, and begins again with its next answer", () => {
  const witness = new StoreWitness(lifeMs);
  witness.answered(0, 10);
  assert.equal(witness.steadyForMs(6_000), 5_990);
  assert.equal(witness.steadyForMs(6_001), 0);
  witness.answered(4_000, 6_001);
  assert.equal(witness.steadyForMs(6_100), 99);
});

test("an answer that took long proves no more than the moment it was asked for", () => {
  const witness = new StoreWitness(lifeMs);
  witness.answered(0, 10);
  witness.answered(100, 5_900);
  assert.equal(witness.steadyForMs(6_101), 0);
});

/** One machine's lease and renewals, beside a store that stands still at times and is asked again as soon as it moves. */
class RenewingMachine {
  readonly id: string;
  /** Not quite the same with each machine, so that they do not stay in step after a pause that held them all up. */
  readonly pauseMs: number;
  nextMs: number;
  /** When its lease ends by the store's count; the store looks only while it moves. */
  endsMs: number;
  present = true;
  dead = false;

  constructor(id: string, phaseMs: number) {
    this.id = id;
    this.pauseMs = (pauseMs + phaseMs) / 2;
    this.nextMs = phaseMs;
    this.endsMs = phaseMs + lifeMs;
  }
}

/**
 * Plays a history: the store stands still in `stills`, the last of `machines` dies at `diesMs`; the first holds the engine. In its
 * first moment after it stood still the store ends every lease that is over, before anyone can renew.
 * Returns who was believed to be gone while it was well, and when the dead one was believed to be gone.
 */
function play(
  stills: readonly { readonly fromMs: number; readonly ms: number }[],
  phases: readonly number[],
  diesMs: number,
): { readonly wronged: readonly string[]; readonly believedMs: number | undefined } {
  const stepMs = 100;
  const machines = phases.map((phase, at) => new RenewingMachine(`m${at + 1}`, phase));
  const [own] = machines;
  const last = machines.at(-1);
  assert(own !== undefined && last !== undefined && own !== last);
  const witness = new StoreWitness(lifeMs);
  const judge = new AbsenceJudge(lifeMs);
  const wronged = new Set<string>();
  let believedMs: number | undefined;
  const present = () => machines.filter((each) => each.present).map(({ id }) => ({ id, leaving: false }));
  /** What an engine believes at this moment. Its watch never breaks: only the witness tells of what the store did. */
  const decide = (nowMs: number): void => {
    judge.observe(present(), witness.steadyForMs(nowMs));
    const missing = machines.filter((each) => !each.present).map(({ id }) => id);
    const uncertain = judge.uncertain(missing, witness.steadyForMs(nowMs));
    for (const id of missing) {
      if (uncertain.has(id)) continue;
      if (id === last.id && last.dead) believedMs ??= nowMs;
      else wronged.add(id);
    }
  };
  for (let nowMs = 0; nowMs < 120_000; nowMs += stepMs) {
    if (nowMs >= diesMs) last.dead = true;
    if (stills.some(({ fromMs, ms }) => fromMs <= nowMs && nowMs < fromMs + ms)) continue;
    for (const each of machines) if (each.endsMs <= nowMs) each.present = false;
    decide(nowMs);
    for (const each of machines) {
      if (each.dead || each.nextMs > nowMs) continue;
      if (each === own) witness.answered(Math.max(0, nowMs - stepMs), nowMs);
      each.present = true;
      each.endsMs = nowMs + lifeMs;
      each.nextMs = nowMs + each.pauseMs;
    }
    decide(nowMs);
  }
  return { wronged: [...wronged], believedMs };
}

const phase = fc.integer({ min: 0, max: pauseMs });
const phases = fc.array(phase, { minLength: 3, maxLength: 8 });

test("however often and long a store stands still, no machine that is well is believed to be gone, and a lost one is in the end", () => {
  const still = fc.record({
    fromMs: fc.integer({ min: 0, max: 80_000 }),
    // Mostly about as long as the shortest that ends a lease of a machine that is well.
    ms: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 5_500, max: 7_500 }) },
      fc.integer({ min: 1, max: 15_000 }),
    ),
  });
  fc.assert(
    fc.property(
      fc.array(still, { maxLength: 3 }),
      phases,
      fc.integer({ min: lifeMs, max: 90_000 }),
      (stills, each, diesMs) => {
        const { wronged, believedMs } = play(stills, each, diesMs);
        assert.deepEqual(wronged, []);
        assert(believedMs !== undefined, "the dead machine is believed to be gone");
      },
    ),
    { numRuns: 50 },
  );
});

test("a pause of the store that ends a lease is noticed also by a machine that had renewed its own just before", () => {
  // Long enough for the second machine's lease to be over, which was due for renewal; the engine's own had just been renewed.
  assert.deepEqual(play([{ fromMs: 32_100, ms: 7_000 }], [4_000, 2_500, 100], 90_000).wronged, []);
});

test("while the store does not stand still a lost machine is believed to be gone when its lease ends", () => {
  fc.assert(
    fc.property(phases, fc.integer({ min: 2 * lifeMs, max: 90_000 }), (each, diesMs) => {
      const { wronged, believedMs } = play([], each, diesMs);
      assert.deepEqual(wronged, []);
      assert(believedMs !== undefined && believedMs <= diesMs + lifeMs, `${believedMs} after ${diesMs}`);
    }),
    { numRuns: 50 },
  );
});

/** A store whose answers to renewals a test can hold back, while watches go on as if nothing were. */
class HoldingStore extends OutageStore {
  #going: Promise<void> = Promise.resolve();
  readonly #store: Store;

  constructor(store: Store) {
    super(store);
    this.#store = store;
  }

  /** Returns the function that lets renewals go on. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#going = promise;
    return resolve;
  }

  override readonly renewLease: Store["renewLease"] = async (id) => {
    await this.#going;
    return await this.#store.renewLease(id);
  };
}

test("an engine that could renew in time moves no unit of a machine whose lease a pause of the store has ended", async () => {
  const env = new FakeEnv();
  const store = new HoldingStore(openMemoryStore(env));
  const [first, second] = [1, 2].map((number) => new FakeMachine(env, store, number));
  assert(first !== undefined && second !== undefined);
  first.start();
  await env.advance(1_500);
  second.start();
  await env.advance(1_000);
  for (const name of ["a.service", "b.service"]) {
    const text = "[Service]\nExecStart=/bin/sleep 1000\n";
    await first.registry.create({ name, text, hash: hashUnitText(text), target: "launched" });
    await env.advance(500);
  }
  assert.deepEqual([await first.running(), await second.running()], [["a.service"], ["b.service"]]);
  // Every 4 s; here the first one has just renewed its lease, and the second one's is 2.5 s old.
  await env.advance(20_000 - 3_500 + 100);
  const goOn = store.hold();
  await env.advance(7_600);
  assert.equal(first.registry.view().machines.has(second.id), false, "the second machine's lease is over");
  assert.equal(first.registry.view().machines.has(first.id), true);
  goOn();
  await env.advance(20_000);
  assert.deepEqual([...first.registry.view().machines.keys()], [first.id, second.id]);
  assert.deepEqual([await first.running(), await second.running()], [["a.service"], ["b.service"]]);
  for (const { units } of [first, second])
    assert.deepEqual(
      units.calls.map(({ operation }) => operation),
      ["load", "start"],
    );
  for (const machine of [first, second]) await machine.crash();
  await store.close();
});
