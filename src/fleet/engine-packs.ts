import { type Compare, maxOperations, type Operation, type Transaction } from "../store/store.ts";
import type { EngineWrite } from "./engine-writes.ts";

/**
 * Characters of values in one pack; a write with more goes alone. A store takes only so much at once (etcd's
 * --max-request-bytes is 1.5 MiB), and a unit may have a megabyte of text.
 */
const mostCharactersOfPack = 300_000;
/** Operations of one pack; one more is left for the record of its events. */
const mostOperationsOfPack = maxOperations - 1;

/**
 * Packs writes into few transactions, as the store's limits allow; compares that several writes share are sent once. When units are
 * only placed, as those of a machine that is lost, all of one machine go together if they can: what comes to it second it takes
 * up only when systemd is through with the first.
 */
export function packWrites(
  writes: readonly EngineWrite[],
): { transaction: Transaction; writes: EngineWrite[] }[] {
  const packs: { transaction: Transaction; writes: EngineWrite[] }[] = [];
  let when = new Map<string, Compare>();
  let then: Operation[] = [];
  let packed: EngineWrite[] = [];
  let characters = 0;
  const close = (): void => {
    if (packed.length > 0) packs.push({ transaction: { when: [...when.values()], then }, writes: packed });
    when = new Map();
    then = [];
    packed = [];
    characters = 0;
  };
  const ordered = writes.every(({ places }) => places !== undefined) ? byMachine(writes) : writes;
  for (const [at, write] of ordered.entries()) {
    const size = charactersOf(write);
    const together = togetherFrom(ordered, at);
    if (then.length + together > mostOperationsOfPack && together <= mostOperationsOfPack) close();
    if (
      characters + size > mostCharactersOfPack ||
      when.size + write.when.length > maxOperations ||
      then.length + write.then.length > mostOperationsOfPack
    )
      close();
    for (const compare of write.when) when.set(JSON.stringify(compare), compare);
    then.push(...write.then);
    characters += size;
    packed.push(write);
  }
  close();
  return packs;
}

/** Stable, machines in the order in which they first get a unit. */
function byMachine(writes: readonly EngineWrite[]): readonly EngineWrite[] {
  return [...Map.groupBy(writes, ({ places }) => places).values()].flat();
}

/** Operations of all that a machine gets in one go, when its first write is `at`; those of that write alone when it is not. */
function togetherFrom(writes: readonly EngineWrite[], at: number): number {
  const machine = writes[at]?.places;
  let operations = writes[at]?.then.length ?? 0;
  if (machine === undefined || writes[at - 1]?.places === machine) return operations;
  for (let next = at + 1; writes[next]?.places === machine; next++)
    operations += writes[next]?.then.length ?? 0;
  return operations;
}

function charactersOf({ then }: EngineWrite): number {
  let characters = 0;
  for (const operation of then) characters += operation.do === "put" ? operation.value.length : 0;
  return characters;
}
