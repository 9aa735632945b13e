import type { CountName, CountsShown } from "./counts.ts";

/** What `/metrics` and `/debug/vars` tell of this gateway. */
export interface GatewayFacts {
  readonly counts: CountsShown;
  /** Watches that are open. */
  readonly watchers: number;
  readonly index: number;
  readonly storeRevision: number;
  /** Whether it is connected to the store. */
  readonly connected: boolean;
  readonly program: ProcessFacts;
}

/** What the gateway's process tells of itself. */
export interface ProcessFacts {
  readonly commandLine: readonly string[];
  readonly residentBytes: number;
  readonly heapBytes: number;
}

interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  /** One line each: labels, or the empty text, and a number. */
  readonly lines: readonly (readonly [labels: string, value: number])[];
}

/** etcd's names for what its counters count: which of them are reads, and which are writes that were carried out. */
const writes: readonly (readonly [action: string, counter: string])[] = [
  ["create", "create"],
  ["set", "sets"],
  ["update", "update"],
  ["delete", "delete"],
  ["compareAndSwap", "compareAndSwap"],
  ["compareAndDelete", "compareAndDelete"],
];

/** Prometheus text (exposition format 0.0.4); what etcd measures as well has etcd's name. */
export function metricsText(facts: GatewayFacts): string {
  return metricsOf(facts)
    .map(({ name, kind, help, lines }) => {
      const values = lines.map(([labels, value]) => `${name}${labels} ${value}\n`).join("");
      return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${values}`;
    })
    .join("");
}

function metricsOf({ counts, watchers, index, storeRevision, connected, program }: GatewayFacts): Metric[] {
  const counted = (counter: string, outcome: "Success" | "Fail"): number =>
    counts[`${counter}${outcome}` as CountName];
  const perWrite = (outcome: "Success" | "Fail"): Metric["lines"] =>
    writes.map(([action, counter]) => [`{action="${action}"}`, counted(counter, outcome)] as const);
  const gauge = (name: string, help: string, value: number): Metric => ({
    name,
    kind: "gauge",
    help,
    lines: [["", value]],
  });
  return [
    {
      name: "etcd_debugging_store_reads_total",
      kind: "counter",
      help: "Reads of keys at this gateway that found something.",
      lines: [['{action="get"}', counts.getsSuccess]],
    },
    {
      name: "etcd_debugging_store_reads_failed_total",
      kind: "counter",
      help: "Reads of keys at this gateway that were refused.",
      lines: [['{action="get"}', counts.getsFail]],
    },
    {
      name: "etcd_debugging_store_writes_total",
      kind: "counter",
      help: "Writes of keys at this gateway that were carried out.",
      lines: perWrite("Success"),
    },
    {
      name: "etcd_debugging_store_writes_failed_total",
      kind: "counter",
      help: "Writes of keys at this gateway that were refused.",
      lines: perWrite("Fail"),
    },
    {
      name: "etcd_debugging_store_expires_total",
      kind: "counter",
      help: "Keys that this gateway deleted because their time was over.",
      lines: [["", counts.expireCount]],
    },
    gauge("etcd_debugging_store_watchers", "Watches that are open at this gateway.", watchers),
    gauge(
      "etcd_server_has_leader",
      "1 while this gateway is connected to a store that works.",
      Number(connected),
    ),
    gauge("argosy_keys_index", "The index of the last change of a key.", index),
    gauge("argosy_keys_store_revision", "The last revision of the store that reads show.", storeRevision),
    gauge("process_resident_memory_bytes", "Memory of this process.", program.residentBytes),
  ];
}

/** `/debug/vars`: one JSON object with a line for each variable, as Go's expvar prints it. */
export function variablesText(facts: GatewayFacts): string {
  const { counts, watchers, index, storeRevision, connected, program } = facts;
  const variables = {
    cmdline: program.commandLine,
    memstats: { Sys: program.residentBytes, HeapAlloc: program.heapBytes },
    "argosy.keys": { index, storeRevision, connected },
    "argosy.store": { ...counts, watchers },
  };
  const lines = Object.entries(variables).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  return `{\n${lines.join(",\n")}\n}\n`;
}
