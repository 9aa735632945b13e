import type { OmahaPackage } from "./omaha.ts";

/** Everything the update server keeps lies below. */
export const updatePrefix = "/argosy/update/";

/** Where each record is. */
export const updateKeys = {
  releases: `${updatePrefix}releases/`,
  release: (version: string): string => `${updatePrefix}releases/${version}`,
  channels: `${updatePrefix}channels/`,
  channel: (name: string): string => `${updatePrefix}channels/${name}`,
  groups: `${updatePrefix}groups/`,
  group: (name: string): string => `${updatePrefix}groups/${name}`,
  grants: (group: string): string => `${updatePrefix}grants/${group}`,
  machines: `${updatePrefix}machines/`,
  machine: (id: string): string => `${updatePrefix}machines/${id}`,
  /** How many machines there are; left out when nobody has counted them. */
  machineCount: `${updatePrefix}machine-count`,
  halt: `${updatePrefix}halt`,
} as const;

/** A version that can be offered. */
export interface Release {
  readonly version: string;
  /** Folders that machines fetch from, each with its final slash; none: the server that is asked has the files itself. */
  readonly urls: readonly string[];
  /** First the list SHA256SUMS, then the files it names. */
  readonly packages: readonly OmahaPackage[];
  /** Hexadecimal SHA-256 of the list. */
  readonly digest: string;
}

/** A name for the newest version that its groups are to have. */
export interface Channel {
  readonly name: string;
  readonly version: string;
  /** Versions that a machine below them has to pass through. */
  readonly floors: readonly string[];
}

/** When machines may be given updates. */
export interface OfficeHours {
  /** 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes since midnight; the last one does not belong to it. When it is before the first, it is of the day after. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** Such as `Europe/Berlin`. An unknown one is never. */
  readonly zone: string;
}

/** Machines that are updated by one set of rules; what a machine calls GROUP in its update.conf. */
export interface Group {
  readonly name: string;
  readonly channel: string;
  /** False: nobody is given anything. */
  readonly enabled: boolean;
  /** Why not. */
  readonly reason: string;
  /** How many of a hundred machines take part. */
  readonly percent: number;
  /** Machines that are given an update within a period, and at the same time; 0: as many as ask. */
  readonly most: number;
  readonly periodMs: number;
  /** After this a machine that was not heard of is not counted as updating any more. */
  readonly timeoutMs: number;
  /** One machine goes first; the others follow when it came up well. */
  readonly safe: boolean;
  readonly hours?: OfficeHours;
}

/** What a group is until somebody says otherwise: everything is given to everybody. */
export function newGroup(name: string): Group {
  return {
    name,
    channel: name,
    enabled: true,
    reason: "",
    percent: 100,
    most: 0,
    periodMs: 15 * 60_000,
    timeoutMs: 60 * 60_000,
    safe: false,
  };
}

export type GrantState = "running" | "done" | "failed";

/** One update that was given to one machine. */
export interface Grant {
  readonly machine: string;
  readonly version: string;
  /** ms since 1970. */
  readonly atMs: number;
  readonly state: GrantState;
}

/** What a group was given of late. Every grant is written by comparing this record, so that no two servers give too much. */
export interface Grants {
  /** The version that one machine at least has come up with. */
  readonly proven: string;
  readonly entries: readonly Grant[];
}

export const noGrants: Grants = { proven: "", entries: [] };

/** How far a machine is (Nebraska's words). */
export type MachineStatus =
  | "undefined"
  | "granted"
  | "error"
  | "complete"
  | "installed"
  | "downloaded"
  | "downloading"
  | "on-hold";

export interface MachineRecord {
  readonly id: string;
  readonly alias: string;
  readonly address: string;
  readonly group: string;
  readonly version: string;
  readonly status: MachineStatus;
  readonly oem: string;
  readonly aleph: string;
  /** ms since 1970. */
  readonly seenMs: number;
  /** What it was given last. */
  readonly granted?: { readonly version: string; readonly atMs: number };
  /** The last error it told of. */
  readonly errorCode?: number;
  /** A version that it does not take: it failed there, or the machine refuses it. */
  readonly refused?: string;
  /** Oldest first. */
  readonly history: readonly {
    readonly atMs: number;
    readonly status: MachineStatus;
    readonly version: string;
  }[];
}

export const mostHistory = 20;

/** All updates are stopped. */
export interface UpdateHalt {
  readonly reason: string;
  readonly sinceMs: number;
}

/** Whether a text can name a group or a channel. */
export function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text);
}

/** Reads a record of ours; undefined when the text is none. */
export function recordOf(text: string | undefined): object | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
