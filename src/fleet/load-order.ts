import type { MachineModel } from "./machine-model.ts";

/** The machines of a plan with the emptiest first, kept in that order while units come and go; IDs decide between equals. */
export class LoadOrder {
  readonly #models: MachineModel[];
  /** What each machine stands in the list by: its load first, then its place among the IDs. */
  readonly #keys = new Map<MachineModel, number>();

  /** @param models in the order of their IDs */
  constructor(models: readonly MachineModel[]) {
    for (const [rank, model] of models.entries()) this.#keys.set(model, model.load * rankRoom + rank);
    this.#models = [...models].sort((left, right) => this.compare(left, right));
  }

  /** Live: changes with `update`. */
  get models(): readonly MachineModel[] {
    return this.#models;
  }

  /** Below 0 when `left` is the emptier one. */
  compare(left: MachineModel, right: MachineModel): number {
    return this.#keyOf(left) - this.#keyOf(right);
  }

  /** Call after every change of a machine's load. */
  update(model: MachineModel): void {
    const before = this.#keyOf(model);
    const after = model.load * rankRoom + (before % rankRoom);
    if (after === before) return;
    this.#models.splice(this.#placeOf(before), 1);
    this.#keys.set(model, after);
    this.#models.splice(this.#placeOf(after), 0, model);
  }

  /** How many machines stand before a key. */
  #placeOf(key: number): number {
    let low = 0;
    let high = this.#models.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#models[middle];
      if (other !== undefined && this.#keyOf(other) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keyOf(model: MachineModel): number {
    return this.#keys.get(model) ?? 0;
  }
}

/** More machines than a plan can have; times any load it is still a whole number. */
const rankRoom = 2 ** 24;
