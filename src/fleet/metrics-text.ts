/** A number that only grows, told apart by labels. */
export class Counter {
  readonly name: string;
  readonly help: string;
  readonly #values = new Map<string, number>();

  /** @param zeros label sets that are shown from the beginning, so that a rate over them is right at the first event */
  constructor(name: string, help: string, zeros: readonly Labels[] = []) {
    this.name = name;
    this.help = help;
    for (const labels of zeros) this.#values.set(labelText(labels), 0);
  }

  add(labels: Labels = {}, by = 1): void {
    const key = labelText(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  text(): string {
    return (
      head(this, "counter") +
      Array.from(this.#values, ([labels, value]) => line(this.name, labels, value)).join("")
    );
  }
}

/** A number that is asked for when somebody looks. */
export interface Gauge {
  /** `counter` for one that only grows; a gauge without it. */
  readonly type?: "counter";
  readonly name: string;
  readonly help: string;
  readonly values: readonly (readonly [labels: Labels, value: number])[];
}

interface Series {
  /** For each bound how many lengths of time were at most that. */
  readonly counts: number[];
  sum: number;
  count: number;
}

/** How many of some lengths of time were at most so long. */
export class Histogram {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Series>();

  /**
   * @param bounds upper bounds in seconds, smallest first
   * @param zeros label sets that are shown from the beginning
   */
  constructor(name: string, help: string, bounds: readonly number[], zeros: readonly Labels[] = []) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    for (const labels of zeros) this.#seriesOf(labels);
  }

  /** Notes one length of time, in milliseconds. */
  observe(ms: number, labels: Labels = {}): void {
    const series = this.#seriesOf(labels);
    const seconds = ms / 1000;
    series.sum += seconds;
    series.count += 1;
    for (const [at, bound] of this.#bounds.entries())
      if (seconds <= bound) series.counts[at] = (series.counts[at] ?? 0) + 1;
  }

  #seriesOf(labels: Labels): Series {
    const key = labelText(labels);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series = { counts: this.#bounds.map(() => 0), sum: 0, count: 0 };
    this.#series.set(key, series);
    return series;
  }

  text(): string {
    const lines = Array.from(this.#series, ([labels, { counts, sum, count }]) => {
      const buckets = this.#bounds.map((bound, at) =>
        line(`${this.name}_bucket`, withLabel(labels, "le", String(bound)), counts[at] ?? 0),
      );
      return [
        ...buckets,
        line(`${this.name}_bucket`, withLabel(labels, "le", "+Inf"), count),
        line(`${this.name}_sum`, labels, sum),
        line(`${this.name}_count`, labels, count),
      ].join("");
    });
    return head(this, "histogram") + lines.join("");
  }
}

export type Labels = Readonly<Record<string, string>>;

/** Such a number as text. */
export function gaugeText(gauge: Gauge): string {
  const lines = gauge.values.map(([labels, value]) => line(gauge.name, labelText(labels), value));
  return head(gauge, gauge.type ?? "gauge") + lines.join("");
}

/** The header of Prometheus's text format 0.0.4. */
export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

function head({ name, help }: { readonly name: string; readonly help: string }, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`;
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");
}

function withLabel(labels: string, name: string, value: string): string {
  return `${labels}${labels === "" ? "" : ","}${name}="${value}"`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
