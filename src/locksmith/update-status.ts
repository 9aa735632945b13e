/** What update-engine tells, as far as a reboot depends on it (update_engine, com.coreos.update1.Manager, StatusUpdate). */
export interface UpdateStatus {
  /** Such as `UPDATE_STATUS_IDLE`. */
  readonly operation: string;
  /** May be empty. */
  readonly version: string;
}

/** Where update-engine is heard. */
export interface UpdateSource {
  /** The last that was heard; undefined while there is no update-engine on this machine. */
  readonly status: UpdateStatus | undefined;
  /** Calls `listener` whenever it changes. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  close(): Promise<void>;
}

/** The operation that asks for a reboot. */
export const needReboot = "UPDATE_STATUS_UPDATED_NEED_REBOOT";
