import type { Operation, Value } from "./history.ts";

/** What a check found. */
export type Verdict =
  | { readonly linearizable: true }
  /** `furthest` are the operations that could not follow the longest order that was found. */
  | { readonly linearizable: false; readonly furthest: readonly Operation[] };

/**
 * Whether there is an order of all operations on one key in which each takes effect at one moment between its call and its
 * end, and each answer is true. Wing and Gong's search, with Lowe's memory of the situations that lead nowhere.
 */
export function checkKey(operations: readonly Operation[]): Verdict {
  const relevant = withoutTraceless(operations);
  const search = new Search(relevant);
  return search.run();
}

/**
 * A change with an unknown end whose value nobody ever saw: it may be left out, because the next answer in any order would have
 * shown its value.
 */
function withoutTraceless(operations: readonly Operation[]): readonly Operation[] {
  const seen = new Set<Value>();
  for (const { request, result } of operations) {
    if (result.kind !== "unknown") seen.add(result.before);
    if (request.kind === "swap" || request.kind === "delete") seen.add(request.expected);
  }
  return operations.filter(({ request, result }) => {
    if (result.kind !== "unknown") return true;
    if (request.kind === "read") return false;
    return request.kind === "delete" || seen.has(request.value);
  });
}

/** What the key holds after an operation that takes effect now; false when its answer would not be true now. */
function effect({ request, result }: Operation, now: Value): { readonly after: Value } | false {
  if (result.kind === "unknown") {
    if (request.kind === "read") return { after: now };
    if (request.kind === "write") return { after: request.value };
    if (now !== request.expected) return { after: now };
    return { after: request.kind === "swap" ? request.value : undefined };
  }
  if (result.before !== now) return false;
  if (request.kind === "read") return { after: now };
  if (request.kind === "write") return result.kind === "done" && { after: request.value };
  if (result.kind === "refused") return now !== request.expected && { after: now };
  return now === request.expected && { after: request.kind === "swap" ? request.value : undefined };
}

/** A call or an end, in a list that calls are taken out of and put back into. */
interface Point {
  readonly operation: number;
  /** The end of the same operation; undefined at an end. */
  readonly end: Point | undefined;
  previous: Point | undefined;
  next: Point | undefined;
}

interface Step {
  readonly call: Point;
  readonly before: Value;
}

class Search {
  readonly #operations: readonly Operation[];
  readonly #head: Point = { operation: -1, end: undefined, previous: undefined, next: undefined };
  /** One bit for each operation that has taken effect. */
  readonly #done: Uint32Array;
  readonly #deadEnds = new Set<string>();
  readonly #steps: Step[] = [];
  #value: Value = undefined;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    this.#done = new Uint32Array(Math.ceil(operations.length / 32));
    this.#link();
  }

  run(): Verdict {
    let furthest = { steps: -1, waiting: [] as readonly Operation[] };
    let point = this.#head.next;
    while (this.#head.next !== undefined) {
      if (point?.end === undefined) {
        // An end is reached whose call has not taken effect: what was ordered last was wrong.
        if (this.#steps.length > furthest.steps)
          furthest = { steps: this.#steps.length, waiting: this.#waiting() };
        const last = this.#steps.pop();
        if (last === undefined) return { linearizable: false, furthest: furthest.waiting };
        this.#undo(last);
        point = last.call.next;
        continue;
      }
      point = this.#take(point) ? this.#head.next : point.next;
    }
    return { linearizable: true };
  }

  /** Lets the operation take effect now, unless its answer would be false or the same situation has led nowhere. */
  #take(call: Point): boolean {
    const operation = this.#operations[call.operation];
    const effected = operation !== undefined && effect(operation, this.#value);
    if (effected === false) return false;
    this.#flip(call.operation);
    const situation = `${this.#done.join()}=${effected.after ?? ""}`;
    if (this.#deadEnds.has(situation)) {
      this.#flip(call.operation);
      return false;
    }
    this.#deadEnds.add(situation);
    this.#steps.push({ call, before: this.#value });
    this.#value = effected.after;
    unlink(call);
    if (call.end !== undefined) unlink(call.end);
    return true;
  }

  #undo({ call, before }: Step): void {
    this.#value = before;
    this.#flip(call.operation);
    if (call.end !== undefined) relink(call.end);
    relink(call);
  }

  #flip(operation: number): void {
    const word = operation >>> 5;
    this.#done[word] = (this.#done[word] ?? 0) ^ (1 << (operation & 31));
  }

  /** The operations that are under way at the first end that cannot be passed. */
  #waiting(): readonly Operation[] {
    const found: Operation[] = [];
    for (let point = this.#head.next; point?.end !== undefined; point = point.next) {
      const operation = this.#operations[point.operation];
      if (operation !== undefined) found.push(operation);
    }
    return found;
  }

  /** All calls and ends in the order of time; an unknown end comes after everything. */
  #link(): void {
    const moments = this.#operations.flatMap((operation, index) => {
      const unknown = operation.result.kind === "unknown";
      const end: Point = { operation: index, end: undefined, previous: undefined, next: undefined };
      const call: Point = { operation: index, end, previous: undefined, next: undefined };
      return [
        { at: operation.calledAt, isEnd: 0, point: call },
        { at: unknown ? Number.POSITIVE_INFINITY : operation.endedAt, isEnd: 1, point: end },
      ];
    });
    // At one moment calls come first: operations that touch each other may go either way.
    moments.sort((one, other) => (one.at === other.at ? one.isEnd - other.isEnd : one.at - other.at));
    let last = this.#head;
    for (const { point } of moments) {
      last.next = point;
      point.previous = last;
      last = point;
    }
  }
}

function unlink(point: Point): void {
  if (point.previous !== undefined) point.previous.next = point.next;
  if (point.next !== undefined) point.next.previous = point.previous;
}

function relink(point: Point): void {
  if (point.previous !== undefined) point.previous.next = point;
  if (point.next !== undefined) point.next.previous = point;
}
