/** Error codes of update_engine that this engine reports (CoreOS's update_engine, `ErrorCode`). */
export const errorCodes = {
  success: 0,
  generic: 1,
  transfer: 9,
  hashMismatch: 10,
  sizeMismatch: 11,
  notVerified: 12,
  write: 14,
  badSignature: 18,
  emptyAnswer: 30,
  notXml: 31,
  badAnswer: 34,
  ignoredByPolicy: 35,
  deferredByPolicy: 36,
  deferredForBackoff: 40,
  fellBack: 44,
  /** Plus the HTTP status. */
  http: 2000,
} as const;

const words: Readonly<Record<number, string>> = {
  0: "success",
  1: "generic error",
  2: "the request failed",
  3: "the answer could not be handled",
  4: "the slot could not be copied",
  5: "the post-install step failed",
  7: "the slot could not be opened",
  8: "the kernel's place could not be opened",
  9: "the download was broken off",
  10: "the hash of the download is wrong",
  11: "the size of the download is wrong",
  12: "the download could not be verified",
  14: "writing to the slot failed",
  15: "the written slot is not what it should be",
  17: "the download should be signed and is not",
  18: "the signature is wrong",
  30: "the server's answer was empty",
  31: "the server's answer was no XML",
  34: "the server's answer lacks something",
  35: "the update was ignored by policy",
  36: "the update was deferred by policy",
  37: "the server answered with an HTTP error",
  40: "the update waits after failures",
  44: "the machine fell back to the version before",
  2000: "the server could not be asked",
};

/** An error code without the flags that update_engine ors into its upper bits (developer mode, own server, …). */
export function plainCode(code: number): number {
  return code & 0x0fffffff;
}

/** What an error code means, for people. */
export function wordsOf(code: number): string {
  const plain = plainCode(code);
  if (plain > errorCodes.http && plain < errorCodes.http + 1000) {
    return `the server answered with HTTP status ${plain - errorCodes.http}`;
  }
  return words[plain] ?? `error ${plain}`;
}
