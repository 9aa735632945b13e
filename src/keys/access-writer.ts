import { pauseMs, type Backoff } from "../lib/backoff.ts";
import type { Env } from "../lib/env.ts";
import type { Store } from "../store/store.ts";
import type { Access } from "./access.ts";
import type { AuthDecision } from "./auth.ts";
import type { LoggedEvent } from "./model.ts";
import { accessKey, accessRecord, counterKey, operationsOf } from "./records.ts";
import type { View } from "./view.ts";
import { counterRevisionOf, orAborted } from "./writer.ts";
import { exactly } from "../store/range.ts";

/** The pause before a change is decided again because keys were written meanwhile. */
const conflictBackoff: Backoff = { firstMs: 1, mostMs: 16 };

/**
 * Changes users and roles in one order with the keys: decided on what the view shows, and committed on condition that the
 * counter is still the one of the decision; otherwise decided again. Resolves when the view shows it.
 * Throws Faults of the store, and the limit's reason.
 */
export async function changeAccess(
  env: Env,
  store: Store,
  view: View,
  decide: (access: Access) => AuthDecision,
  limit: AbortSignal,
): Promise<AuthDecision> {
  for (let attempt = 1; ; attempt++) {
    const { access, index, counterRevision } = view;
    const decision = decide(access);
    const { change } = decision;
    if (change === undefined) return decision;
    const events = Array.from({ length: change.indices }, (_, at) => hiddenEvent(index + at + 1));
    const outcome = await orAborted(
      store.commit({
        when: [{ key: counterKey, modRevision: counterRevision }],
        then: [
          ...operationsOf({ events, put: [], remove: [] }),
          { do: "put", key: accessKey, value: accessRecord(change.access) },
        ],
        otherwise: [exactly(counterKey)],
      }),
      limit,
    );
    const shown = outcome.committed ? outcome.revision : counterRevisionOf(outcome);
    await view.mirror.reached(shown, limit);
    if (outcome.committed) return decision;
    await env.clock.sleep(pauseMs(conflictBackoff, attempt, env.random()), limit);
  }
}

/** It uses up an index, and nobody is told of it. */
function hiddenEvent(index: number): LoggedEvent {
  const event = { action: "set", node: { dir: true } } as const;
  return { index, event, silent: true, writer: "" };
}
