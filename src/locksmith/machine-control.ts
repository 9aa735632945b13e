/** A program that forbids the machine to go down for now (systemd-inhibit(1), mode `block`). */
export interface Inhibitor {
  readonly who: string;
  readonly why: string;
}

/**
 * The machine as somebody sees it who wants to reboot it. Implemented by logind and systemd over D-Bus (`src/systemd/`) and by a
 * fake; `machine-control-contract.ts` beside this file is the suite both pass.
 * Every call throws Fault `manager-unavailable` while the message bus is away.
 */
export interface MachineControl {
  /** The kernel's name for the present boot; another one after each boot. */
  bootId(): Promise<string>;

  /** Who forbids a reboot at this moment. */
  inhibitors(): Promise<readonly Inhibitor[]>;

  /** Names of the people who are logged in, each once. */
  users(): Promise<readonly string[]>;

  /** Writes a line onto the terminals of everybody who is logged in. Throws Fault `cannot-tell`. */
  tell(line: string): Promise<void>;

  /**
   * Asks for a reboot; resolves when it was accepted, and the machine goes down soon after. Throws Fault `reboot-refused`,
   * also when somebody forbids it.
   */
  reboot(): Promise<void>;

  /** True from the moment on at which the machine begins to go down. */
  goingDown(): Promise<boolean>;

  /**
   * Has every health check of the boot carried out: the units that boot-complete.target requires (systemd.special(7)).
   * Resolves to why the boot is not complete, and to undefined when it is.
   */
  checkBoot(): Promise<string | undefined>;

  /** Whether a unit of the machine is active. */
  isActive(unit: string): Promise<boolean>;

  /** Calls `listener` when any of the above may have changed. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;

  close(): Promise<void>;
}
