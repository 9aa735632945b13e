import {
  type Compare,
  maxOperations,
  type Operation,
  type Outcome,
  type Store,
  type Transaction,
} from "./store.ts";

/**
 * Characters of values that are sent together; a commit with more goes alone. A store takes only so much at once, and one large
 * value must not have the others refused (etcd's --max-request-bytes is 1.5 MiB).
 */
const mostCharacters = 300_000;

/** Commits that may wait for their turn; more are refused by sending them alone. */
const mostWaiting = 10_000;

interface Waiting {
  readonly transaction: Transaction;
  readonly resolve: (outcome: Outcome | Promise<Outcome>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A store that sends commits which come while others are under way together, as one transaction: a burst of small writes costs a
 * few rounds of the consensus instead of one each. When the whole does not hold, each is sent alone, so every caller gets the
 * outcome of its own transaction. Commits that were sent together share a revision.
 *
 * Only for transactions that are guarded by compares: when the outcome of a whole is unknown, it is so for each.
 */
export function groupedStore(store: Store): Store {
  const waiting: Waiting[] = [];
  let sending = false;

  const sendAll = async (): Promise<void> => {
    sending = true;
    while (waiting.length > 0) await send(store, takeGroup(waiting));
    sending = false;
  };

  return {
    commit(transaction) {
      if (waiting.length >= mostWaiting || transaction.otherwise !== undefined)
        return store.commit(transaction);
      return new Promise<Outcome>((resolve, reject) => {
        waiting.push({ transaction, resolve, reject });
        if (!sending) void sendAll();
      });
    },
    read: (range, options) => store.read(range, options),
    watch: (range, after, signal, storeId) => store.watch(range, after, signal, storeId),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    renewLease: (id) => store.renewLease(id),
    revokeLease: (id) => store.revokeLease(id),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
}

/** Takes as many of the first commits as fit into one transaction; one that touches a key of another waits for the next. */
function takeGroup(waiting: Waiting[]): Waiting[] {
  const group: Waiting[] = [];
  const touched = new Set<string>();
  let compares = 0;
  let operations = 0;
  let characters = 0;
  for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
    const { when, then } = next.transaction;
    const keys = keysOf(next.transaction);
    const size = charactersOf(next.transaction);
    const fits =
      compares + when.length <= maxOperations &&
      operations + then.length <= maxOperations &&
      characters + size <= mostCharacters;
    const apart = keys !== undefined && !keys.some((key) => touched.has(key));
    if (group.length > 0 && !(fits && apart)) break;
    group.push(next);
    waiting.shift();
    compares += when.length;
    operations += then.length;
    characters += size;
    if (keys === undefined) break;
    for (const key of keys) touched.add(key);
  }
  return group;
}

function charactersOf({ when, then }: Transaction): number {
  let characters = 0;
  for (const compare of when) characters += "value" in compare ? compare.value.length : 0;
  for (const operation of then) characters += operation.do === "put" ? operation.value.length : 0;
  return characters;
}

/** Every key a transaction names; undefined when it deletes a range, which may touch any. */
function keysOf({ when, then }: Transaction): string[] | undefined {
  const keys = when.map(({ key }) => key);
  for (const operation of then) {
    if (operation.do === "put") keys.push(operation.key);
    else if (operation.range.to === undefined) keys.push(operation.range.from);
    else return undefined;
  }
  return keys;
}

/** Never rejects: every waiting caller is told. */
async function send(store: Store, group: readonly Waiting[]): Promise<void> {
  try {
    const [only] = group;
    if (only !== undefined && group.length === 1) {
      only.resolve(await store.commit(only.transaction));
      return;
    }
    const when: Compare[] = group.flatMap(({ transaction }) => transaction.when);
    const then: Operation[] = group.flatMap(({ transaction }) => transaction.then);
    const outcome = await store.commit({ when, then });
    if (outcome.committed) for (const { resolve } of group) resolve(outcome);
    else await Promise.all(group.map((one) => send(store, [one])));
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}
