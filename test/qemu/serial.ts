import { Fault } from "../../src/lib/fault.ts";

/** Most characters kept of what a machine prints; older ones are dropped. */
const mostKept = 4 * 1024 * 1024;

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (line: string) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * What a machine prints on its serial console, line by line. Whoever waits for a line is told at once when the kernel
 * panics or the machine ends instead.
 */
export class SerialConsole {
  #text = "";
  #rest = "";
  /** Lines that nobody has waited past yet. */
  #unread: string[] = [];
  #waiters = new Set<Waiter>();
  #end: Fault | undefined;

  /** Takes in what came out of the machine. */
  take(piece: string): void {
    this.#text = (this.#text + piece).slice(-mostKept);
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const raw of lines) this.#line(raw.trimEnd());
  }

  #line(line: string): void {
    if (/Kernel panic - not syncing/.test(line)) {
      this.end(new Fault("kernel-panic", `The machine's kernel panicked:\n${this.tail(40)}`));
      return;
    }
    this.#unread.push(line);
    for (const waiter of this.#waiters) {
      if (!waiter.pattern.test(line)) continue;
      this.#waiters.delete(waiter);
      this.#unread = [];
      waiter.resolve(line);
    }
  }

  /** No more will come: everyone who waits fails with this. */
  end(reason: Fault): void {
    this.#end ??= reason;
    for (const waiter of this.#waiters) waiter.reject(this.#end);
    this.#waiters.clear();
  }

  /** Resolves with the first line behind the last one found that matches. Throws Faults `kernel-panic`, `machine-ended` and `nothing-came`. */
  async waitFor(pattern: RegExp, limitMs: number): Promise<string> {
    const at = this.#unread.findIndex((line) => pattern.test(line));
    const found = this.#unread[at];
    if (found !== undefined) {
      this.#unread = this.#unread.slice(at + 1);
      return found;
    }
    if (this.#end !== undefined) throw this.#end;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const waiter = { pattern, resolve, reject };
    this.#waiters.add(waiter);
    const timer = setTimeout(() => {
      this.#waiters.delete(waiter);
      reject(
        new Fault(
          "nothing-came",
          `The machine printed no line like ${pattern} in ${limitMs / 1000} s. Its last lines:\n${this.tail(30)}`,
        ),
      );
    }, limitMs);
    return await promise.finally(() => clearTimeout(timer));
  }

  /** Everything printed so far, as far as it is kept. */
  get text(): string {
    return this.#text;
  }

  tail(lines: number): string {
    return this.#text.split("\n").slice(-lines).join("\n");
  }
}
