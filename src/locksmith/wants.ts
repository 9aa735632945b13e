import { needReboot, type UpdateStatus } from "./update-status.ts";

/** Why a machine is to be rebooted. */
export type Want =
  | { readonly kind: "wish"; readonly number: number; readonly reason: string }
  | { readonly kind: "update"; readonly version: string }
  | { readonly kind: "required"; readonly packages: readonly string[] };

/** A reboot that somebody has asked for with `argosy reboot`. */
export interface Wish {
  /** The machine's. */
  readonly id: string;
  /** Names it among all; grows. */
  readonly number: number;
  /** The boot that is to end; what began later has fulfilled it. */
  readonly boot: string;
  /** As ISO 8601. */
  readonly since: string;
  /** For people; may be empty. */
  readonly reason: string;
}

/** Everything that may ask for a reboot, as it stands. */
export interface Wishes {
  readonly wish: Wish | undefined;
  readonly update: UpdateStatus | undefined;
  /** Packages that /run/reboot-required names; undefined when there is no such file. */
  readonly required: readonly string[] | undefined;
  /** The present boot. */
  readonly boot: string;
  /** The version for which this boot was made: the same update does not ask twice. */
  readonly rebootedFor: string | undefined;
}

/** What the machine is to be rebooted for; undefined for nothing. What people ask for comes first. */
export function wantOf({ wish, update, required, boot, rebootedFor }: Wishes): Want | undefined {
  if (wish !== undefined && wish.boot === boot)
    return { kind: "wish", number: wish.number, reason: wish.reason };
  if (update?.operation === needReboot && (update.version === "" || update.version !== rebootedFor))
    return { kind: "update", version: update.version };
  return required === undefined ? undefined : { kind: "required", packages: required };
}

/** What a reboot is for, as a part of a sentence. */
export function wantText(want: Want): string {
  switch (want.kind) {
    case "wish":
      return `argosy reboot asks for it${want.reason === "" ? "" : `: ${want.reason}`}`;
    case "update":
      return `update-engine has installed ${want.version === "" ? "an update" : want.version}`;
    case "required": {
      const { packages } = want;
      const names = packages.slice(0, mostNames).join(", ") + (packages.length > mostNames ? ", ..." : "");
      return `/run/reboot-required asks for it${names === "" ? "" : ` because of ${names}`}`;
    }
  }
}

const mostNames = 5;
