import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A conversation with an etcd that was recorded, to be had again with another server. */
export interface Transcript {
  readonly name: string;
  /** It looks at the root itself: everything there goes before and after it. */
  readonly emptyRoot?: boolean;
  /** Keys outside of its own directory, which go before and after it. */
  readonly cleanup?: readonly string[];
  readonly steps: readonly Step[];
}

/** One exchange or pause; without a kind it is a request. */
export type Step = { readonly note?: string } & (
  | {
      readonly kind?: "request";
      readonly request: RecordedRequest;
      readonly response: RecordedResponse;
      /** Ask again until the answer fits or the time is over. */
      readonly poll?: { readonly timeoutMs: number; readonly everyMs: number };
      readonly timeoutMs?: number;
      /** Keeps the body under this name, for `$delta`. */
      readonly capture?: string;
    }
  | {
      readonly kind: "repeat";
      readonly request: RecordedRequest;
      readonly count: number;
      /** What each of the answers may have. */
      readonly status: number | readonly number[];
    }
  | { readonly kind: "sleep"; readonly ms: number }
  | {
      readonly kind: "watch";
      readonly id: string;
      readonly request: RecordedRequest;
      readonly response: RecordedResponse;
    }
  | {
      readonly kind: "await";
      readonly id: string;
      readonly events: readonly unknown[];
      /** Whether the answer is over after these events; absent: either. */
      readonly end?: boolean;
      readonly timeoutMs?: number;
    }
  | { readonly kind: "quiet"; readonly id: string; readonly ms: number }
  | { readonly kind: "close"; readonly id: string }
);

/** A text, or a text repeated some times. */
export type RecordedText = string | { readonly $repeat: readonly [string, number] };

/** Parameters by name, or in order where a name comes twice. */
export type RecordedForm =
  | Readonly<Record<string, RecordedText>>
  | readonly (readonly [string, RecordedText])[];

export interface RecordedRequest {
  readonly method?: string;
  readonly path: string;
  readonly query?: RecordedForm;
  readonly form?: RecordedForm;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RecordedText;
}

export interface RecordedResponse {
  readonly status?: number;
  /** By name in small letters; null: absent. Others may come as well. */
  readonly headers?: Readonly<Record<string, unknown>>;
  /** JSON as a whole. */
  readonly body?: unknown;
  readonly text?: unknown;
}

/** Every transcript in a folder, or in the folder `scenarios` in it, by name. */
export function readTranscripts(folder: string): Transcript[] {
  const below = join(folder, "scenarios");
  const holder = existsSync(below) ? below : folder;
  if (!existsSync(holder)) throw new Error(`there is no folder ${folder}`);
  return readdirSync(holder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(holder, name), "utf8")) as unknown)
    .filter(isTranscript);
}

function isTranscript(content: unknown): content is Transcript {
  return (
    typeof content === "object" && content !== null && "steps" in content && Array.isArray(content.steps)
  );
}
