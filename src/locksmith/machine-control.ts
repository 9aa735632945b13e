/** A program that forbids the machine to go down for now (systemd-inhibit(1), mode `block`). */
export interface Inhibitor {
  readonly who: string;
  readonly why: string;
}

/** A unit that runs, and what systemd knows of its relations to others. */
export interface UnitTies {
  readonly name: string;
  /** It is started after these, and so is stopped before them: After= of its own, and Before= of theirs. */
  readonly after: readonly string[];
  /** It needs these: Requires=, Requisite= and BindsTo=. */
  readonly requires: readonly string[];
}

/** A unit that is to be stopped, once others have ended. */
export interface StopAfter {
  readonly name: string;
  /** Units that stand before this one in the same list. */
  readonly waitsFor: readonly string[];
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

  /** The units among `names` of which anything runs. */
  running(names: readonly string[]): Promise<readonly UnitTies[]>;

  /**
   * Stops units, each as soon as what it waits for has ended; those that need not wait are asked for at once, in this order, in
   * which systemd keeps After= and Before=. Resolves, when all have ended, to one sentence about each that has not; rejects with
   * the signal's reason, and the stops that were asked for go on.
   */
  stopUnits(order: readonly StopAfter[], signal: AbortSignal): Promise<readonly string[]>;

  /** Has units start, in this order and without waiting until they have; gives one sentence about each that cannot. */
  startUnits(names: readonly string[]): Promise<readonly string[]>;

  /** Calls `listener` when any of the above may have changed. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;

  close(): Promise<void>;
}
