import { orAborted } from "../lib/aborted.ts";
import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import { exactly } from "../store/range.ts";
import type { Operation, Store } from "../store/store.ts";
import type { LoggedEvent } from "./model.ts";
import { counterKey, operationsOf } from "./records.ts";
import type { View } from "./view.ts";
import { counterRevisionOf } from "./writer.ts";

/** The pause before a change is decided again because keys were written meanwhile. */
const conflictBackoff: Backoff = { firstMs: 1, mostMs: 16 };

/** What somebody decided, and what it changes besides the keys; nothing when `operations` is undefined. */
export interface HiddenDecision<Answer> {
  readonly answer: Answer;
  /** How many indices of the keys it uses up. */
  readonly indices: number;
  readonly operations: readonly Operation[] | undefined;
}

/**
 * Changes what is kept beside the keys in one order with them, as etcd does, which keeps it among them: decided on what the
 * view shows, and committed on condition that the counter is still the one of the decision; otherwise decided again.
 * Resolves when the view shows it. Throws Faults of the store, and the limit's reason.
 */
export async function writeHidden<Answer>(
  env: Env,
  store: Store,
  view: View,
  decide: () => HiddenDecision<Answer>,
  limit: AbortSignal,
): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const { index, counterRevision } = view;
    const { answer, indices, operations } = decide();
    if (operations === undefined) return answer;
    const events = Array.from({ length: indices }, (_, at) => hiddenEvent(index + at + 1));
    const outcome = await orAborted(
      store.commit({
        when: [{ key: counterKey, modRevision: counterRevision }],
        then: [...operationsOf({ events, put: [], remove: [] }), ...operations],
        otherwise: [exactly(counterKey)],
      }),
      limit,
    );
    const shown = outcome.committed ? outcome.revision : counterRevisionOf(outcome);
    await view.mirror.reached(shown, limit);
    if (outcome.committed) return answer;
    await env.clock.sleep(pauseMs(conflictBackoff, attempt, env.random()), limit);
  }
}

/** It uses up an index, and nobody is told of it. */
function hiddenEvent(index: number): LoggedEvent {
  const event = { action: "set", node: { dir: true } } as const;
  return { index, event, silent: true, writer: "" };
}
