/** A failure that a v2 client understands; a value, not an exception. Numbers and texts are those of the etcd v2 API. */
export interface KeysError {
  readonly errorCode: ErrorCode;
  readonly message: string;
  /** What exactly was wrong: a path, a comparison, a parameter. Empty: left out of the body. */
  readonly cause: string;
  /** The index when the error was made; 0 for requests that were never tried. */
  readonly index: number;
}

interface ErrorKind {
  readonly message: string;
  /** HTTP status. */
  readonly status: number;
}

/** Every error that this implementation gives out, as etcd 2.3 and 3.4 do (etcd v2 API, "Error Codes"). */
const kinds = {
  100: { message: "Key not found", status: 404 },
  101: { message: "Compare failed", status: 412 },
  102: { message: "Not a file", status: 403 },
  104: { message: "Not a directory", status: 400 },
  105: { message: "Key already exists", status: 412 },
  107: { message: "Root is read only", status: 400 },
  108: { message: "Directory not empty", status: 403 },
  110: { message: "The request requires user authentication", status: 401 },
  201: { message: "PrevValue is Required in POST form", status: 400 },
  202: { message: "The given TTL in POST form is not a number", status: 400 },
  203: { message: "The given index in POST form is not a number", status: 400 },
  209: { message: "Invalid field", status: 400 },
  210: { message: "Invalid POST form", status: 400 },
  211: { message: "Value provided on refresh", status: 400 },
  212: { message: "A TTL must be provided on refresh", status: 400 },
  300: { message: "Raft Internal Error", status: 500 },
  401: { message: "The event in requested index is outdated and cleared", status: 400 },
} as const satisfies Record<number, ErrorKind>;

/** A number out of the v2 table. */
export type ErrorCode = keyof typeof kinds;

/** An error of the table; `index` is 0 where the request never reached the keys. */
export function keysError(errorCode: ErrorCode, cause: string, index = 0): KeysError {
  return { errorCode, message: kinds[errorCode].message, cause, index };
}

/** The HTTP status that goes with an error. */
export function statusOfError(error: KeysError): number {
  return kinds[error.errorCode].status;
}

/** Tells an error from any other answer. */
export function isKeysError(answer: object): answer is KeysError {
  return "errorCode" in answer;
}
