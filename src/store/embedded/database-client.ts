import { Worker } from "node:worker_threads";
import { Fault } from "../../lib/fault.ts";
import type { Entry } from "../store.ts";
import {
  entriesOf,
  packRows,
  type EntryColumns,
  type FromWorker,
  type GroupRows,
  type PlainFault,
  type StoreFacts,
  type ToWorker,
  type WorkerOptions,
} from "./messages.ts";

/** A database that another thread keeps. */
export interface OpenDatabase {
  /** Resolves when the group is durable; rejects with a `DatabaseFailure` when nothing of it was written. One at a time. */
  write(rows: GroupRows): Promise<void>;
  /** Resolves when the file is closed. */
  close(): Promise<void>;
}

/** What the file held when it was opened. */
export interface StoreContent {
  readonly facts: StoreFacts;
  /** In key order. */
  readonly entries: Iterable<Entry>;
}

/** Why a group was not written. */
export class DatabaseFailure extends Fault {
  /** Nothing more can be written until the store is opened again. */
  readonly final: boolean;

  constructor({ code, sentence, final }: PlainFault) {
    super(code, sentence);
    this.final = final;
  }
}

interface Waiting {
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts the thread and reads the file. Rejects with what `Database` and its checks throw, as a `DatabaseFailure`. */
export async function openDatabase(
  options: WorkerOptions,
  warn: (sentence: string) => void,
): Promise<{ readonly database: OpenDatabase; readonly content: StoreContent }> {
  const worker = new Worker(workerFile(), {
    workerData: options,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const pieces: EntryColumns[] = [];
  const thread = new Thread(worker, options.folder, warn, (piece) => pieces.push(piece));
  const opened = await thread.next();
  if (opened.kind !== "opened") throw new Error(`The store's thread began with ${opened.kind}.`);
  const database: OpenDatabase = {
    async write(rows) {
      await thread.ask({ kind: "write", rows: packRows(rows) });
    },
    async close() {
      // A thread that has failed is closed already.
      if (!thread.isDead) await thread.ask({ kind: "close" });
      await worker.terminate();
    },
  };
  return { database, content: { facts: opened.facts, entries: entriesIn(pieces) } };
}

/** Lets go of each piece as soon as it was read. */
function* entriesIn(pieces: EntryColumns[]): Generator<Entry, void> {
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield* entriesOf(piece);
}

class Thread {
  readonly #worker: Worker;
  #waiting: Waiting | undefined;
  #dead: Fault | undefined;

  constructor(
    worker: Worker,
    folder: string,
    warn: (sentence: string) => void,
    take: (piece: EntryColumns) => void,
  ) {
    this.#worker = worker;
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "warning") warn(message.sentence);
      else if (message.kind === "entries") take(message.columns);
      else if (message.kind === "failed")
        this.#settle((one) => one.reject(new DatabaseFailure(message.fault)));
      else this.#settle((one) => one.resolve(message));
    });
    worker.on("error", (error) => this.#die(folder, error));
    worker.on("exit", () => this.#die(folder, undefined));
  }

  get isDead(): boolean {
    return this.#dead !== undefined;
  }

  async ask(message: ToWorker): Promise<void> {
    if (this.#dead !== undefined) throw this.#dead;
    const answer = this.next();
    this.#worker.postMessage(message, []);
    await answer;
  }

  next(): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) how(waiting);
  }

  #die(folder: string, error: unknown): void {
    const why = error instanceof Error ? error.message : "it ended";
    const sentence = `Cannot write to the store in ${folder}, its thread failed (${why}): start this process again.`;
    this.#dead ??= new DatabaseFailure({ code: "store-unavailable", sentence, final: true });
    this.#settle((one) => one.reject(this.#dead));
  }
}

/** Beside this file in a checkout, and a bundle of its own beside the bundle that this is part of. */
function workerFile(): URL {
  const here = import.meta.url;
  return new URL(here.endsWith(".ts") ? "./database-worker.ts" : "./store-worker.mjs", here);
}
