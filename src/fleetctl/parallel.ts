/** Requests that fleetctl has under way at a time. */
const mostAtOnce = 16;

/**
 * Does something for each item, a few at a time; the results are in the order of the items. After an error nothing more
 * is begun; it is thrown once what was under way has ended.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const entries = items.entries();
  const failures: { readonly error: unknown }[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, item] of entries) {
      try {
        results[index] = await work(item);
      } catch (error) {
        failures.push({ error });
      }
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, items.length) }, worker));
  const [first] = failures;
  if (first !== undefined) throw first.error;
  return results;
}
