import { Agent, request } from "node:http";

/** Connections one load keeps open to one API. */
const mostConnections = 32;

/** A client of one machine's fleet API that sends many requests at once. */
export class FleetLoad {
  readonly #base: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: mostConnections });

  constructor(base: string) {
    this.#base = new URL(base);
  }

  /** Asks for a unit to be launched. */
  async launch(
    name: string,
    options: readonly { section: string; name: string; value: string }[],
  ): Promise<void> {
    const body = JSON.stringify({ desiredState: "launched", options });
    const { status, text } = await this.#send("PUT", `/fleet/v1/units/${name}`, body);
    if (status !== 201) throw new Error(`PUT ${name}: ${status} ${text}`);
  }

  async destroy(name: string): Promise<void> {
    const { status, text } = await this.#send("DELETE", `/fleet/v1/units/${name}`);
    if (status !== 204) throw new Error(`DELETE ${name}: ${status} ${text}`);
  }

  /** Waits until `settled` says so of every unit's report; the server answers when something changed. */
  async until(
    names: readonly string[],
    settled: (unit: UnitReport | undefined) => boolean,
  ): Promise<UnitReport[]> {
    const newest = new Map<string, UnitReport>();
    let after = 0;
    for (;;) {
      const open = names.filter((name) => after === 0 || !settled(newest.get(name)));
      if (open.length === 0) return names.flatMap((name) => newest.get(name) ?? []);
      const query = new URLSearchParams([["after", String(after)], ...open.map((name) => ["unit", name])]);
      const { status, text } = await this.#send("GET", `/argosy/v1/changes?${query.toString()}`);
      if (status !== 200) throw new Error(`changes: ${status} ${text}`);
      const report = JSON.parse(text) as { revision: number; units: UnitReport[] };
      after = Math.max(1, report.revision);
      for (const unit of report.units) newest.set(unit.name, unit);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "Content-Type": "application/json" };
      const sent = request(new URL(path, this.#base), { method, agent: this.#agent, headers }, (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (piece: string) => {
          text += piece;
        });
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, text }));
        answer.once("error", reject);
      });
      sent.once("error", reject);
      sent.end(body);
    });
  }
}

/** What the API tells of a unit and its states (GET /argosy/v1/changes). */
export interface UnitReport {
  readonly name: string;
  /** Absent for a unit that does not exist. */
  readonly desiredState?: string;
  readonly states: readonly { readonly machine: { readonly id: string }; readonly active: string }[];
}
