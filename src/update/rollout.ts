import { isWithin } from "./office-hours.ts";
import type { Channel, Grant, Grants, Group, MachineRecord, UpdateHalt } from "./server-records.ts";
import { compareVersions } from "./version-order.ts";

/** What the decision about one machine looks at. */
export interface RolloutPicture {
  readonly halt: UpdateHalt | undefined;
  readonly group: Group;
  readonly channel: Channel | undefined;
  readonly grants: Grants;
  readonly machine: MachineRecord;
}

/** What a machine that asks is told. The words of refusals are Nebraska's. */
export type RolloutDecision =
  | { readonly give: string; readonly grants: Grants }
  | { readonly nothing: "up-to-date" | "not-its-turn" | "refused-by-machine" }
  | { readonly refuse: string; readonly onHold: boolean; readonly group?: Group };

/** Grants beyond these are not looked at; a group that reaches them has far too long a period. */
export const mostGrants = 10_000;

/** Whether a machine that asks is given a version now, and which. The same picture gives the same answer. */
export function decide(picture: RolloutPicture, nowMs: number): RolloutDecision {
  const { halt, group, channel, machine } = picture;
  if (machine.status === "downloading" || machine.status === "downloaded" || machine.status === "installed") {
    return { refuse: "error-updateInProgressOnInstance", onHold: false };
  }
  if (channel === undefined) return { refuse: "error-noPackageFound", onHold: false };
  const target = nextVersion(channel, machine.version);
  if (target === undefined) return { nothing: "up-to-date" };
  if (machine.refused === target) return { nothing: "refused-by-machine" };
  if (halt !== undefined || !group.enabled) return { refuse: "error-updatesDisabled", onHold: false };
  const recent = recentGrants(picture.grants, group, target, nowMs);
  const own = recent.entries.find((grant) => grant.machine === machine.id && grant.version === target);
  if (machine.status === "granted" && own?.state === "running") return { give: target, grants: recent };
  if (group.hours !== undefined && !isWithin(group.hours, nowMs))
    return { refuse: "error-updatesDisabled", onHold: false };
  if (bucketOf(machine.id, target) >= group.percent) return { nothing: "not-its-turn" };
  const isProven = !group.safe || recent.proven === target;
  if (group.most === 0 && isProven && !group.safe) return { give: target, grants: recent };
  const most = isProven && group.most > 0 ? group.most : isProven ? mostGrants : 1;
  return withinLimits(group, recent, { most, isProven, target, machine: machine.id }, nowMs);
}

function withinLimits(
  group: Group,
  recent: Grants,
  {
    most,
    isProven,
    target,
    machine,
  }: { readonly most: number; readonly isProven: boolean; readonly target: string; readonly machine: string },
  nowMs: number,
): RolloutDecision {
  const others = recent.entries.filter((grant) => grant.machine !== machine);
  const given = others.filter(({ atMs }) => atMs > nowMs - group.periodMs);
  if (given.length >= most) return { refuse: "error-maxUpdatesPerPeriodLimitReached", onHold: true };
  const running = others.filter((grant) => isRunning(grant, group, nowMs));
  if (running.length >= most) return { refuse: "error-maxConcurrentUpdatesLimitReached", onHold: true };
  const timedOut = others.filter(
    (grant) => grant.state === "running" && grant.version === target && !isRunning(grant, group, nowMs),
  );
  if (!isProven && timedOut.length >= most) {
    const reason = `the first machine with ${target} was not heard of again`;
    return {
      refuse: "error-maxTimedOutUpdatesLimitReached",
      onHold: true,
      group: { ...group, enabled: false, reason },
    };
  }
  const grant: Grant = { machine, version: target, atMs: nowMs, state: "running" };
  return { give: target, grants: { ...recent, entries: [...others, grant].slice(-mostGrants) } };
}

/** The first floor above a version, or else the channel's own; undefined when it is reached. */
export function nextVersion({ version, floors }: Channel, running: string): string | undefined {
  if (compareVersions(running, version) >= 0) return undefined;
  const between = floors.filter(
    (floor) => compareVersions(floor, running) > 0 && compareVersions(floor, version) < 0,
  );
  return between.toSorted(compareVersions)[0] ?? version;
}

/** Grants that still count for something. The first machine of a group that goes safely does until it is heard of. */
function recentGrants(
  grants: Grants,
  { periodMs, timeoutMs, safe }: Group,
  target: string,
  nowMs: number,
): Grants {
  const sinceMs = nowMs - Math.max(periodMs, timeoutMs);
  const isFirst = (grant: Grant): boolean =>
    safe && grants.proven !== target && grant.version === target && grant.state === "running";
  const entries = grants.entries.filter((grant) => grant.atMs > sinceMs || isFirst(grant));
  // The same where nothing lapsed: writing them would put everybody else off who asks at this moment.
  return entries.length === grants.entries.length ? grants : { ...grants, entries };
}

/** Grants as they are when somebody has a group go on that paused itself: who was not heard of has failed, and others may go first. */
export function pardoned(grants: Grants, group: Group, nowMs: number): Grants {
  const entries = grants.entries.map((grant): Grant => {
    const isLost = grant.state === "running" && !isRunning(grant, group, nowMs);
    return isLost ? { ...grant, state: "failed" } : grant;
  });
  return { ...grants, entries };
}

function isRunning({ state, atMs }: Grant, { timeoutMs }: Group, nowMs: number): boolean {
  return state === "running" && atMs > nowMs - timeoutMs;
}

/** How many machines of a group are being updated now, as far as is known. */
export function updating(grants: Grants, group: Group, nowMs: number): number {
  return grants.entries.filter((grant) => isRunning(grant, group, nowMs)).length;
}

/** What becomes of a machine's grant. In a group that goes safely a failure of the first machine ends the roll-out. */
export function settleGrant(
  grants: Grants,
  group: Group,
  machine: string,
  state: "done" | "failed",
): { readonly grants: Grants; readonly group: Group } {
  const own = grants.entries.find((grant) => grant.machine === machine && grant.state === "running");
  if (own === undefined) return { grants, group };
  const entries = grants.entries.map((grant) => (grant === own ? { ...grant, state } : grant));
  if (state === "done") return { grants: { proven: own.version, entries }, group };
  const ends = group.safe && grants.proven !== own.version;
  const reason = `the first machine with ${own.version} failed`;
  return { grants: { ...grants, entries }, group: ends ? { ...group, enabled: false, reason } : group };
}

/**
 * A machine's place from 0 to 99 in the roll-out of a version. It never changes, so whoever takes part with 10 percent does
 * with 20; and it differs from version to version, so that not always the same machines go first.
 */
export function bucketOf(machine: string, version: string): number {
  // FNV-1a, with the last rounds of MurmurHash so that alike names lie far apart.
  let hash = 0x811c9dc5;
  for (const character of `${version}/${machine}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % 100;
}
