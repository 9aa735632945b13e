import type { UnitName } from "../fleet/model.ts";

/** Has systemd read all unit files again, and knows which it has not read since they changed. */
export class Reloads {
  readonly #reload: () => Promise<void>;
  readonly #unread = new Set<UnitName>();
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  /** @param reload the call to systemd; one runs at a time */
  constructor(reload: () => Promise<void>) {
    this.#reload = reload;
  }

  /** True while systemd may have an older text of the unit than its file, because it could not read that. */
  isUnread(name: UnitName): boolean {
    return this.#unread.has(name);
  }

  /**
   * Has systemd read everything again, because these units' files changed. Throws what `reload` throws; the units count as
   * unread then until it succeeds. Calls that come while one runs share the next: it starts after each of them wrote its files.
   */
  async reload(names: readonly UnitName[]): Promise<void> {
    for (const name of names) this.#unread.add(name);
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      const running = this.#readAll();
      this.#last = running.catch(() => undefined);
      return running;
    });
    await this.#next;
  }

  async #readAll(): Promise<void> {
    const changed = [...this.#unread];
    await this.#reload();
    for (const name of changed) this.#unread.delete(name);
  }
}
