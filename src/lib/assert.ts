/** Stops on a bug of ours: a condition that no input and no failure of the world can break. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new AssertionFailed(claim);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`unreachable value ${JSON.stringify(value)}`);
}

/** A bug. Nothing catches it but the edge of the process, which logs it and exits. */
export class AssertionFailed extends Error {
  override readonly name = "AssertionFailed";
}
