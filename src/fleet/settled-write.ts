import { isFault } from "../lib/fault.ts";
import type { Revision, Store, Transaction } from "../store/store.ts";

/** How often one write is sent when the answer is lost, as when the store's leader dies: an election fits in between. */
const mostSendings = 4;

/**
 * What became of a guarded write. `forestalled`: somebody else was faster, and nothing of it was carried out. `overtaken`: its
 * answer was lost, and by now something else is written than it asked for; whoever wrote that may have seen it.
 */
export type Settled = Revision | "forestalled" | "overtaken";

/**
 * Carries out a write once, sending it again while its answer is lost: its compares have to fail once it, or any other write of the
 * same, was carried out. So it can be sent again, and one that is still on its way undoes nothing that was written later.
 * @param landed reads whether what the write asks for is there, and since which revision
 * Throws Fault `store-unavailable` when the store does not answer; the write may then be carried out or not.
 */
export async function settle(
  store: Pick<Store, "commit">,
  write: Pick<Transaction, "when" | "then">,
  landed: () => Promise<Revision | undefined>,
): Promise<Settled> {
  for (let sendings = 1; ; sendings++) {
    try {
      const outcome = await store.commit(write);
      if (outcome.committed) return outcome.revision;
      // Only an earlier sending of our own can be what was faster.
      return sendings === 1 ? "forestalled" : ((await landed()) ?? "overtaken");
    } catch (error) {
      if (!isFault(error, "store-unavailable")) throw error;
      if (sendings < mostSendings) continue;
      const revision = await landed().catch(() => undefined);
      if (revision === undefined) throw error;
      return revision;
    }
  }
}
