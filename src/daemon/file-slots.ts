import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault, sentenceOf } from "../lib/fault.ts";
import {
  blessedName,
  type BootEntry,
  condemnedName,
  entryOf,
  loaderChoice,
  startedName,
  stateOf,
} from "../update/boot-entries.ts";
import type { Offer } from "../update/offer.ts";
import { recordOf } from "../update/server-records.ts";
import type { SlotPicture, Slots, TellProgress } from "../update/slots.ts";
import { filesOf } from "../update/sums.ts";
import { compareVersions } from "../update/version-order.ts";
import { type DownloadSettings, fetchFile, fetchSignedList } from "./release-download.ts";

/** Names of entries, as systemd-boot counts tries. */
const patterns = ["slot_@v+@l-@d", "slot_@v+@l", "slot_@v"];
/** Tries of a new version. */
const tries = 3;

export interface FileSlotsSettings extends DownloadSettings {
  /** Holds one folder for each version, and which one was booted. It has one at least. */
  readonly folder: string;
  readonly bootId: string;
}

/**
 * Slots as folders of files, for machines without a boot loader of their own, such as containers in a lab. Looked at for the
 * first time in a boot, it plays the loader: takes the newest version with tries left, as systemd-boot does, and counts.
 */
export class FileSlots implements Slots {
  readonly #settings: FileSlotsSettings;

  constructor(settings: FileSlotsSettings) {
    this.#settings = settings;
  }

  async look(): Promise<SlotPicture> {
    return await told("look at", this.#settings.folder, async () => {
      const running = await this.#booted();
      const entries = await this.#entries();
      const own = entries.find(({ version }) => version === running);
      const others = entries.filter((entry) => entry !== own);
      return {
        running,
        trial: own?.left !== undefined,
        others: others.map((entry) => ({ version: entry.version, state: stateOf(entry) })),
      };
    });
  }

  async install(offer: Offer, folder: string, tell: TellProgress, signal: AbortSignal): Promise<void> {
    const { version } = offer;
    const { sums } = await fetchSignedList(this.#settings, folder, offer.digest, signal);
    const files = filesOf(sums, version);
    if (files.length === 0) throw new Fault("update-list", `the list in ${folder} has no version ${version}`);
    const fresh = join(this.#settings.folder, "fresh");
    await told("write to", fresh, async () => {
      await rm(fresh, { recursive: true, force: true });
      await mkdir(fresh, { recursive: true });
      await this.#makeRoom(version);
      let bytes = 0;
      tell({ fraction: 0, verifying: false });
      for (const file of files) {
        const progress = (more: number): void => {
          bytes += more;
          tell({ fraction: offer.size > 0 ? Math.min(1, bytes / offer.size) : 0, verifying: false });
        };
        await fetchFile(this.#settings, folder, file, join(fresh, file.name), progress, signal);
      }
      tell({ fraction: 1, verifying: true });
      // This is the commit: until now the loader saw nothing of it.
      await rename(fresh, join(this.#settings.folder, `slot_${version}+${tries}-0`));
    });
  }

  async bless(): Promise<void> {
    const running = await this.#booted();
    await this.#rename(running, blessedName);
  }

  async condemn(version: string): Promise<void> {
    // What was booted is settled before names change.
    await this.#booted();
    await this.#rename(version, condemnedName);
  }

  async #rename(version: string, to: (entry: BootEntry) => string): Promise<void> {
    const { folder } = this.#settings;
    await told("write to", folder, async () => {
      const entry = (await this.#entries()).find((each) => each.version === version);
      if (entry !== undefined) await rename(join(folder, entry.file), join(folder, to(entry)));
    });
  }

  /** Two slots: what runs, and one other. */
  async #makeRoom(version: string): Promise<void> {
    const running = await this.#booted();
    const others = (await this.#entries()).filter((entry) => entry.version !== running);
    const kept = others
      .filter((entry) => entry.version !== version)
      .toSorted((a, b) => compareVersions(b.version, a.version));
    for (const entry of others) {
      if (entry.version === version || kept.includes(entry))
        await rm(join(this.#settings.folder, entry.file), { recursive: true, force: true });
    }
  }

  async #entries(): Promise<readonly BootEntry[]> {
    const names = await readdir(this.#settings.folder);
    return names.flatMap((name) => entryOf(patterns, name) ?? []);
  }

  /** What runs in this boot; the first look of a boot is the loader's. */
  async #booted(): Promise<string> {
    const { folder, bootId } = this.#settings;
    const record = join(folder, "booted.json");
    const text = await readFile(record, "utf8").catch(() => "{}");
    // A power cut may have left it empty: then this is the first look of a boot, too.
    const booted = (recordOf(text) ?? {}) as { readonly bootId?: string; readonly version?: string };
    if (booted.bootId === bootId && booted.version !== undefined) return booted.version;
    const chosen = loaderChoice(await this.#entries());
    if (chosen === undefined)
      throw new Fault("update-slots", `there is no slot_VERSION in ${folder}; make one to begin with`);
    const started = startedName(chosen);
    if (started !== chosen.file) await rename(join(folder, chosen.file), join(folder, started));
    await writeFile(`${record}.fresh`, `${JSON.stringify({ bootId, version: chosen.version })}\n`);
    await rename(`${record}.fresh`, record);
    return chosen.version;
  }
}

async function told<Result>(deed: string, folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("update-slots", `cannot ${deed} ${folder}: ${sentenceOf(error)}`, { cause: error });
  }
}
