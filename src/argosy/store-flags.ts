import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Call, Flag } from "../cli/command.ts";
import type { Env } from "../lib/env.ts";
import { Fault } from "../lib/fault.ts";
import type { Store } from "../store/store.ts";
import type { Progress } from "../store/transfer/content.ts";

/** Which store is meant. */
export type StoreSpec =
  | { readonly kind: "embedded"; readonly folder: string }
  | { readonly kind: "etcd"; readonly endpoints: readonly string[] };

/** Opens a store. The libraries of stores come with the daemons, so only when it is called. */
export type OpenStore = (env: Env, spec: StoreSpec) => Promise<Store>;

/** This machine's own store, whichever kind it is. */
export const ownStore = "http://127.0.0.1:2379";

export const fromFlag: Flag = {
  name: "from",
  kind: "text",
  placeholder: "STORE",
  summary: "the store to read: embedded:DIR, or client addresses of etcd with commas between",
};

export const toFlag: Flag = {
  name: "to",
  kind: "text",
  placeholder: "STORE",
  summary: "the store to fill: embedded:DIR, or client addresses of etcd with commas between",
};

export const replaceFlag: Flag = {
  name: "replace",
  kind: "switch",
  summary: "delete what the store to fill holds of Argosy; without it such a store is refused",
};

export const dryRunFlag: Flag = {
  name: "dry-run",
  kind: "switch",
  summary: "say what would be done, and do nothing",
};

/** The store that a flag names. Throws Fault `bad-store` when it is none, or not given. */
export function storeNamed(call: Call, flag: string): StoreSpec {
  const text = call.flags.text(flag);
  if (text === undefined || text === "")
    throw new Fault(
      "bad-store",
      `Cannot tell which store is meant: give --${flag} embedded:DIR or --${flag} ${ownStore}.`,
    );
  return readSpec(text);
}

export function readSpec(text: string): StoreSpec {
  const folder = /^embedded:(.+)$/.exec(text)?.[1];
  if (folder !== undefined) return { kind: "embedded", folder };
  const endpoints = text.split(",").map((one) => one.trim());
  if (endpoints.every((one) => /^https?:\/\/[^/]+$/.test(one))) return { kind: "etcd", endpoints };
  throw new Fault(
    "bad-store",
    `Cannot tell which store "${text}" is: write embedded:DIR, or client addresses such as ${ownStore}.`,
  );
}

/** How a store is called in messages, as it is written on the command line. */
export function nameOf(spec: StoreSpec): string {
  return spec.kind === "embedded" ? `embedded:${spec.folder}` : spec.endpoints.join(",");
}

/** Throws Fault `no-store` when there is no store to read in the folder: opening it would make one. */
export function assertStored(spec: StoreSpec): void {
  if (spec.kind !== "embedded" || existsSync(join(spec.folder, "store.db"))) return;
  throw new Fault(
    "no-store",
    `Cannot read ${nameOf(spec)}, there is no store in that folder: see where it is (usually /var/lib/argosy/store).`,
  );
}

/** Whether two names mean the same store. */
export function isSame(one: StoreSpec, other: StoreSpec): boolean {
  return nameOf(one) === nameOf(other);
}

/** Carries out `work` with an open store, and closes it. */
export async function withStore<Result>(
  call: Call,
  open: OpenStore,
  spec: StoreSpec,
  work: (store: Store) => Promise<Result>,
): Promise<Result> {
  const store = await open(call.env, spec);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Tells a terminal how far long work is, at most every half second; anything else is told nothing. */
export function progressOn(call: Call): { readonly progress: Progress; readonly end: () => void } {
  if (!call.stderr.isTerminal) return { progress: () => undefined, end: () => undefined };
  let toldMs = call.env.clock.monotonic();
  let hasTold = false;
  return {
    progress: (done, total) => {
      const nowMs = call.env.clock.monotonic();
      if (nowMs - toldMs < 500) return;
      toldMs = nowMs;
      hasTold = true;
      call.stderr.write(`\r${done} of ${total} entries`);
    },
    end: () => {
      if (hasTold) call.stderr.write("\r\u001b[K");
    },
  };
}

/** A size in UTF-16 units, near enough to bytes. */
export function sizeText(size: number): string {
  if (size < 10_000) return `${size} bytes`;
  return size < 10_000_000 ? `${Math.round(size / 1_000)} KB` : `${Math.round(size / 1_000_000)} MB`;
}
