import type { Metadata } from "../metadata.ts";

/** Where user-data and metadata come from. */
export interface Datasource {
  /** For messages, such as `local file /a`. */
  readonly name: string;
  /** True when asking again makes no sense: it is there from the start or never. */
  readonly askedOnce: boolean;
  isAvailable(): Promise<boolean>;
  /** Empty when there is none. Throws Fault. */
  userData(): Promise<Uint8Array>;
  /** Throws Fault; the sentence is what the original logs. */
  metadata(): Promise<Metadata>;
}

/** What datasources ask of the world. */
export interface SourceAccess {
  /** The bytes of a file, or undefined when there is none. Throws Fault `file-unreadable`. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** The answer to one GET, or undefined for 4xx: it is not there. Tries again as `http-tries.ts` says, then throws Fault. */
  get(url: string, headers?: Readonly<Record<string, string>>): Promise<Uint8Array | undefined>;
  /** What a program prints, or undefined when it is not there or fails. */
  output(program: readonly string[]): Promise<string | undefined>;
}

const empty = new Uint8Array();

/** A file that may be missing. */
export async function fileOrNothing(access: SourceAccess, path: string): Promise<Uint8Array> {
  return (await access.readFile(path)) ?? empty;
}

/** An answer that may be missing. */
export async function answerOrNothing(
  access: SourceAccess,
  url: string,
  headers?: Readonly<Record<string, string>>,
): Promise<Uint8Array> {
  return (await access.get(url, headers)) ?? empty;
}

/** The text of an answer that may be missing. */
export async function answerText(
  access: SourceAccess,
  url: string,
  headers?: Readonly<Record<string, string>>,
): Promise<string> {
  return new TextDecoder().decode(await answerOrNothing(access, url, headers));
}
