/** A failure of the world (not a bug): it has a code to decide by and one sentence to show. */
export class Fault extends Error {
  /** A short constant such as `store-unavailable`; code decides by this, never by the text. */
  readonly code: string;

  /**
   * @param code a short constant in lower case with dashes
   * @param sentence cannot do what, to what, why; shown to people as it is
   */
  constructor(code: string, sentence: string, options?: { cause?: unknown }) {
    super(sentence, options);
    this.name = "Fault";
    this.code = code;
  }

  /** Commands and daemons are bundled apart, each with its own copy of this class: what is thrown passes from one to the other. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // Subclasses are told apart as usual: not every Fault is one of them.
    if (this !== Fault) return Function.prototype[Symbol.hasInstance].call(this, value);
    return (
      value instanceof Error && value.name === "Fault" && "code" in value && typeof value.code === "string"
    );
  }
}

/** True when `error` is a Fault with one of these codes. */
export function isFault(error: unknown, ...codes: readonly string[]): error is Fault {
  return error instanceof Fault && (codes.length === 0 || codes.includes(error.code));
}

/** The sentence of any thrown value, for logs and messages. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why a call of the system failed, without what Node adds: its code, the call's name and the path, which the caller names itself. */
export function reasonOf(error: unknown): string {
  return sentenceOf(error).replace(/^E[A-Z0-9]+: ([^,]*), .*$/s, "$1");
}
