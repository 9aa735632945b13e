import { errorCodes, plainCode } from "./error-codes.ts";
import { base64OfHex } from "./offer.ts";
import type { OmahaAnswer, OmahaApp, OmahaEvent, OmahaUpdateCheck } from "./omaha.ts";
import { decide, type RolloutPicture, settleGrant } from "./rollout.ts";
import {
  type Grants,
  type Group,
  isName,
  type MachineRecord,
  type MachineStatus,
  mostHistory,
  type Release,
} from "./server-records.ts";
import { isVersion } from "./version-order.ts";

/** What is known when a machine asks. */
export interface AskedPicture extends Omit<RolloutPicture, "machine" | "group"> {
  /** Undefined: there is no group of that name. */
  readonly group: Group | undefined;
  /** Undefined at the first contact. */
  readonly machine: MachineRecord | undefined;
  /** Whether no more machines are taken into the register. */
  readonly isFull: boolean;
  /** Releases by version, those of the channel at least. */
  readonly releases: ReadonlyMap<string, Release>;
}

/** What is answered, and what is written for it. */
export interface Answered {
  readonly answer: OmahaAnswer;
  readonly machine?: MachineRecord;
  readonly grants?: Grants;
  readonly group?: Group;
}

export interface AskedWhen {
  readonly nowMs: number;
  /** Of the machine. */
  readonly address: string;
  /** Where this server has releases without an address of their own, with a final slash. */
  readonly ownFolder: (version: string) => string;
}

/** The longest text of a machine that is kept. */
const mostText = 128;

/** Answers one app of a request: events first, then the ping, then the update check. */
export function answerApp(app: OmahaApp, picture: AskedPicture, when: AskedWhen): Answered {
  const base = { appId: app.appId, ping: app.ping, events: app.events.length };
  const internal: OmahaUpdateCheck = { status: "error-internal", codebases: [] };
  const refusing = (status: string): Answered => ({
    answer: { ...base, status, ...(app.updateCheck ? { updateCheck: internal } : {}) },
  });
  if (picture.group === undefined) return refusing("error-failedToRetrieveUpdatePackageInfo");
  const isRefused = picture.machine === undefined && picture.isFull;
  if (isRefused || !isName(app.machineId) || !isVersion(app.version))
    return refusing("error-instanceRegistrationFailed");
  let { group, grants } = picture;
  let machine = seen(app, picture.machine, picture.group.name, when);
  for (const event of app.events) {
    ({ machine, grants, group } = afterEvent(event, { machine, grants, group }, when.nowMs));
  }
  const written = (answer: OmahaAnswer): Answered => ({
    answer,
    machine,
    ...(grants === picture.grants ? {} : { grants }),
    ...(group === picture.group ? {} : { group }),
  });
  if (!app.updateCheck) return written({ ...base, status: "ok" });
  const decision = decide({ ...picture, group, grants, machine }, when.nowMs);
  if ("nothing" in decision) {
    const waited = machine.status === "granted" || machine.status === "on-hold";
    const reached = waited && decision.nothing === "up-to-date";
    if (reached) {
      ({ grants, group } = settleGrant(grants, group, machine.id, "done"));
      machine = changed(machine, "complete", when.nowMs);
    }
    return written({ ...base, status: "ok", updateCheck: { status: "noupdate", codebases: [] } });
  }
  if ("refuse" in decision) {
    if (decision.onHold) machine = changed(machine, "on-hold", when.nowMs);
    group = decision.group ?? group;
    return written({ ...base, status: decision.refuse, updateCheck: internal });
  }
  const release = picture.releases.get(decision.give);
  if (release === undefined)
    return written({ ...base, status: "error-noPackageFound", updateCheck: internal });
  grants = decision.grants;
  machine = changed(
    { ...machine, granted: { version: decision.give, atMs: when.nowMs } },
    "granted",
    when.nowMs,
  );
  return written({ ...base, status: "ok", updateCheck: offerOf(release, when) });
}

function offerOf({ version, urls, packages, digest }: Release, when: AskedWhen): OmahaUpdateCheck {
  return {
    status: "ok",
    codebases: urls.length === 0 ? [when.ownFolder(version)] : urls,
    manifest: {
      version,
      packages,
      postinstall: { sha256: base64OfHex(digest), disablePayloadBackoff: true },
    },
  };
}

function seen(
  app: OmahaApp,
  known: MachineRecord | undefined,
  group: string,
  when: AskedWhen,
): MachineRecord {
  const short = (text: string): string => text.slice(0, mostText);
  return {
    ...(known ?? { status: "undefined", history: [] }),
    id: app.machineId,
    alias: app.machineAlias === "" ? (known?.alias ?? "") : short(app.machineAlias),
    address: when.address,
    group,
    version: app.version,
    oem: short(app.oem),
    aleph: short(app.alephVersion),
    seenMs: when.nowMs,
  };
}

interface Told {
  readonly machine: MachineRecord;
  readonly grants: Grants;
  readonly group: Group;
}

/** What a machine told changes. Its events are noise while nothing was given to it, but for one that it runs something new. */
function afterEvent(event: OmahaEvent, told: Told, nowMs: number): Told {
  const { machine } = told;
  if (event.type === 3 && event.result === 2) return updated(event, told, nowMs);
  if (!isUpdating(machine.status)) return told;
  const to = (status: MachineStatus): Told => ({ ...told, machine: changed(machine, status, nowMs) });
  if (event.type === 13 && event.result === 1) return to("downloading");
  if (event.type === 14 && event.result === 1) return to("downloaded");
  if (event.type === 800 && event.result === 1) return to("installed");
  if (event.result !== 0 && event.result !== 9) return told;
  const code = plainCode(event.errorCode ?? errorCodes.generic);
  const neverTakes = code === errorCodes.fellBack || code === errorCodes.ignoredByPolicy;
  const version = machine.granted?.version;
  const failed: MachineRecord = {
    ...changed(machine, "error", nowMs),
    errorCode: code,
    ...(neverTakes && version !== undefined ? { refused: version } : {}),
  };
  const ended = settleGrant(told.grants, told.group, machine.id, "failed");
  // A machine that puts an update off, or does not take it, says nothing about how good it is.
  return { machine: failed, grants: ended.grants, group: event.result === 9 ? told.group : ended.group };
}

/**
 * Event 3/2 rides on every check; only with a version before does it tell of an update. Without, it frees a machine that is
 * stuck; and 0.0.0.0 tells of a machine that knows nothing of what it refused, so that this is forgotten here, too.
 */
function updated({ previousVersion = "" }: OmahaEvent, told: Told, nowMs: number): Told {
  const { machine, grants, group } = told;
  const { errorCode: _error, refused: _refused, ...rest } = machine;
  if (previousVersion === "" || previousVersion === "0.0.0.0") {
    const isNew = previousVersion !== "";
    const isStuck =
      machine.status === "downloading" || machine.status === "downloaded" || machine.status === "installed";
    const now = isNew ? rest : machine;
    return isStuck || (isNew && machine.status === "error")
      ? { ...told, machine: changed(now, "undefined", nowMs) }
      : { ...told, machine: now };
  }
  return { machine: changed(rest, "complete", nowMs), ...settleGrant(grants, group, machine.id, "done") };
}

function isUpdating(status: MachineStatus): boolean {
  return (
    status === "granted" || status === "downloading" || status === "downloaded" || status === "installed"
  );
}

function changed(machine: MachineRecord, status: MachineStatus, nowMs: number): MachineRecord {
  const last = machine.history.at(-1);
  if (machine.status === status && last?.version === machine.version) return machine;
  const entry = { atMs: nowMs, status, version: machine.version };
  return { ...machine, status, history: [...machine.history, entry].slice(-mostHistory) };
}
