import type { MachineModel } from "./machine-model.ts";

/** The machines of a plan with the emptiest first, kept in that order while units come and go; IDs decide between equals. */
export class LoadOrder {
  readonly #models: MachineModel[];
  /** Every machine's place in the order of IDs. */
  readonly #rank: ReadonlyMap<MachineModel, number>;
  /** The load with which a machine stands in the list. */
  readonly #listed: Map<MachineModel, number>;

  /** @param models in the order of their IDs */
  constructor(models: readonly MachineModel[]) {
    this.#rank = new Map(models.map((model, at) => [model, at]));
    this.#listed = new Map(models.map((model) => [model, model.load]));
    this.#models = [...models].sort((left, right) => this.compare(left, right));
  }

  /** Live: changes with `update`. */
  get models(): readonly MachineModel[] {
    return this.#models;
  }

  /** Below 0 when `left` is the emptier one. */
  compare(left: MachineModel, right: MachineModel): number {
    return this.#load(left) - this.#load(right) || this.#rankOf(left) - this.#rankOf(right);
  }

  /** Call after every change of a machine's load. */
  update(model: MachineModel): void {
    if (this.#listed.get(model) === model.load) return;
    this.#models.splice(this.#placeOf(model), 1);
    this.#listed.set(model, model.load);
    this.#models.splice(this.#placeOf(model), 0, model);
  }

  /** How many of the others stand before a machine: the place where it is, or belongs. */
  #placeOf(model: MachineModel): number {
    let low = 0;
    let high = this.#models.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#models[middle];
      if (other !== undefined && this.compare(other, model) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #load(model: MachineModel): number {
    return this.#listed.get(model) ?? 0;
  }

  #rankOf(model: MachineModel): number {
    return this.#rank.get(model) ?? 0;
  }
}
