import { type Compare, maxOperations, type Operation, type Transaction } from "../store/store.ts";
import type { EngineWrite } from "./engine-writes.ts";

/**
 * Characters of values in one pack; a write with more goes alone. A store takes only so much at once (etcd's
 * --max-request-bytes is 1.5 MiB), and a unit may have a megabyte of text.
 */
const mostCharactersOfPack = 300_000;
/** Operations of one pack; one more is left for the record of its events. */
const mostOperationsOfPack = maxOperations - 1;

/** Packs writes into as few transactions as the store's limits allow; compares that several writes share are sent once. */
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
  for (const write of writes) {
    const size = charactersOf(write);
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

function charactersOf({ then }: EngineWrite): number {
  let characters = 0;
  for (const operation of then) characters += operation.do === "put" ? operation.value.length : 0;
  return characters;
}
