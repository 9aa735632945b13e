import { goJson } from "../keys/client-text.ts";
import { KeysRefusal } from "../keys/client-keys.ts";
import type { ShownNode } from "../keys/model.ts";
import { machineKey, machinesKey, wishesKey } from "./lock-keys.ts";
import type { LockKeys } from "./reboot-lock.ts";
import type { Phase } from "./steps.ts";
import type { Wish } from "./wants.ts";

/** What the daemon of a machine tells the others. */
export interface MachineRecord {
  readonly id: string;
  readonly group: string;
  readonly strategy: string;
  readonly phase: Phase;
  /** For people; may be empty. */
  readonly why: string;
  /** Since when it is in that phase; ISO 8601. */
  readonly since: string;
  /** The boot that it tells of. */
  readonly boot: string;
  /** When the reboot window opens next, or that it is open; absent without a window. */
  readonly window?: { readonly open: boolean; readonly changesAt: string };
}

/**
 * Where machines tell how far they are with their reboots, and people ask for them: keys beside the reboot lock.
 * Methods throw the Faults of the client.
 */
export class RebootBoard {
  readonly #api: LockKeys;

  constructor(api: LockKeys) {
    this.#api = api;
  }

  /** Every machine whose daemon has told something, by ID. */
  async records(): Promise<ReadonlyMap<string, MachineRecord>> {
    const records = (await this.#children(machinesKey)).flatMap(({ value = "" }) => recordOf(value) ?? []);
    return new Map(records.map((record) => [record.id, record]));
  }

  async tell(record: MachineRecord): Promise<void> {
    await this.#api.put(machineKey(machinesKey, record.id), { value: goJson(record) });
  }

  /** Forgets what a machine told, because its daemon ends for good. */
  async forget(id: string): Promise<void> {
    await this.#remove(machineKey(machinesKey, id), 0);
  }

  /** All reboots that are asked for and not done. */
  async wishes(): Promise<readonly Wish[]> {
    return (await this.#children(wishesKey)).flatMap((node) => wishOf(node) ?? []);
  }

  async wish(id: string): Promise<Wish | undefined> {
    return (await this.wishes()).find((each) => each.id === id);
  }

  /** Asks for a reboot, in place of what was asked for before; gives its number. */
  async ask(wish: Omit<Wish, "number">): Promise<number> {
    const { node } = await this.#api.put(machineKey(wishesKey, wish.id), { value: goJson(wish) });
    return node.modifiedIndex ?? 0;
  }

  /** Takes a wish back, or has it done; nothing when there is another one by now. */
  async withdraw({ id, number }: Pick<Wish, "id" | "number">): Promise<void> {
    await this.#remove(machineKey(wishesKey, id), number);
  }

  async #remove(key: string, previousIndex: number): Promise<void> {
    try {
      const plainly = { directory: false, recursive: false, previousValue: "" };
      await this.#api.remove(key, { ...plainly, previousIndex });
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  async #children(directory: string): Promise<readonly ShownNode[]> {
    try {
      const all = { recursive: true, sorted: true, quorum: true };
      return (await this.#api.get(directory, all)).node.nodes ?? [];
    } catch (error) {
      if (isGone(error)) return [];
      throw error;
    }
  }
}

const noSuchKey = 100;
const compareFailed = 101;

function isGone(error: unknown): boolean {
  return error instanceof KeysRefusal && [noSuchKey, compareFailed].includes(error.errorCode);
}

/** What cannot be read is passed over. */
function recordOf(text: string): MachineRecord | undefined {
  const value: Partial<MachineRecord> | undefined = parsed(text);
  const texts = [
    value?.id,
    value?.group,
    value?.strategy,
    value?.phase,
    value?.why,
    value?.since,
    value?.boot,
  ];
  return texts.every((each) => typeof each === "string") ? (value as MachineRecord) : undefined;
}

function wishOf({ value = "", modifiedIndex = 0 }: ShownNode): Wish | undefined {
  const wish: Partial<Wish> | undefined = parsed(value);
  const texts = [wish?.id, wish?.boot, wish?.since, wish?.reason];
  if (!texts.every((each) => typeof each === "string")) return undefined;
  return { ...(wish as Wish), number: modifiedIndex };
}

function parsed(text: string): object | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
