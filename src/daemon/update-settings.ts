import { duration, list, text } from "./setting-kinds.ts";
import type { SettingTable } from "./settings.ts";

/** Settings of update-engine besides update.conf, all of them from its environment. */
export const updateSettings = {
  firstCheckMs: duration({ environment: "ARGOSY_UPDATE_FIRST_CHECK", default: "7m" }),
  checkEveryMs: duration({ environment: "ARGOSY_UPDATE_CHECK_EVERY", default: "45m" }),
  healthServices: list({
    environment: "ARGOSY_UPDATE_HEALTH_SERVICES",
    default: "etcd.service,fleet.service",
  }),
  healthLimitMs: duration({ environment: "ARGOSY_UPDATE_HEALTH_LIMIT", default: "5m" }),
  slotFolder: text({ environment: "ARGOSY_UPDATE_SLOTS", default: "" }),
} satisfies SettingTable;
