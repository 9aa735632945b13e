import type { ErrorCode, KeysError } from "./errors.ts";
import type { ReadOperation, WriteOperation } from "./model.ts";

/** What `/v2/stats/store` counts, in its order; `watchers`, which goes down as well, is not among them. */
const countNames = [
  "getsSuccess",
  "getsFail",
  "setsSuccess",
  "setsFail",
  "deleteSuccess",
  "deleteFail",
  "updateSuccess",
  "updateFail",
  "createSuccess",
  "createFail",
  "compareAndSwapSuccess",
  "compareAndSwapFail",
  "compareAndDeleteSuccess",
  "compareAndDeleteFail",
  "expireCount",
] as const;

/** The name of one counter. */
export type CountName = (typeof countNames)[number];

/** How often each counter was counted since the start, in the order of `/v2/stats/store`. */
export type CountsShown = Readonly<Record<CountName, number>>;

const counterOf = {
  read: "gets",
  set: "sets",
  create: "create",
  update: "update",
  compareAndSwap: "compareAndSwap",
  delete: "delete",
  compareAndDelete: "compareAndDelete",
} as const;

/** Refusals that etcd counts as successes, by operation. */
const countedAsSuccess: ReadonlySet<string> = new Set<`${WriteOperation["do"]} ${ErrorCode}`>([
  "delete 107",
  "update 107",
  "compareAndSwap 107",
  "update 102",
  "compareAndDelete 102",
  "compareAndDelete 101",
]);

/** What this gateway has done since its start, counted as etcd counts (etcd v2 API, "Store Statistics"). */
export class Counts {
  readonly #counts = new Map<CountName, number>();

  /** @param error why the operation was refused; undefined: it was carried out */
  add(operation: ReadOperation | WriteOperation, error: KeysError | undefined): void {
    // 300: it never came to the keys.
    if (error?.errorCode === 300) return;
    if (operation.do === "expire") {
      if (error === undefined) this.#addOne("expireCount");
      return;
    }
    const counter = counterOf[operation.do];
    if (error === undefined || countedAsSuccess.has(`${operation.do} ${error.errorCode}`)) {
      return this.#addOne(`${counter}Success`);
    }
    this.#addOne(`${counter}Fail`);
    if (operation.do === "create" && error.errorCode === 104) this.#addOne("setsFail");
  }

  show(): CountsShown {
    const entries = countNames.map((name) => [name, this.#counts.get(name) ?? 0] as const);
    return Object.fromEntries(entries) as CountsShown;
  }

  #addOne(name: CountName): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
