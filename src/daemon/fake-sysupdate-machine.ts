import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blessedName, type BootEntry, entryOf, loaderChoice, startedName } from "../update/boot-entries.ts";
import type { SlotsWorld } from "../update/slots-contract.ts";
import type { ReleaseShelf } from "./fake-release-shelf.ts";
import { SysupdateSlots } from "./sysupdate-slots.ts";

const pattern = "app_@v+@l-@d.img app_@v+@l.img app_@v.img";

/**
 * For tests: a folder that systemd-sysupdate writes to as it would to the partition of the boot loader, and a boot that does
 * what systemd-boot does to names in it. @param program systemd-sysupdate, or what stands in for it
 */
export async function sysupdateWorld(
  shelf: ReleaseShelf,
  program: string,
): Promise<SlotsWorld & { readonly entryFolder: string }> {
  const folder = await mkdtemp(join(tmpdir(), "argosy-sysupdate-"));
  const entryFolder = join(folder, "entries");
  const transfers = join(folder, "sysupdate.d");
  mkdirSync(entryFolder);
  mkdirSync(transfers);
  writeFileSync(join(entryFolder, "app_1.img"), "version 1\n");
  let running = "1";
  const entries = (): BootEntry[] =>
    readdirSync(entryFolder).flatMap((name) => entryOf(pattern.split(" "), name) ?? []);
  const rename = (from: string, to: string): void =>
    renameSync(join(entryFolder, from), join(entryFolder, to));
  const define = (): void =>
    writeFileSync(
      join(transfers, "10-app.transfer"),
      `[Transfer]\nProtectVersion=${running}\n\n[Source]\nType=url-file\nPath=http://nowhere.invalid/\nMatchPattern=app_@v.img\n\n` +
        `[Target]\nType=regular-file\nPath=${entryFolder}\nMatchPattern=${pattern}\nMode=0444\nTriesLeft=3\nTriesDone=0\nInstancesMax=2\n`,
    );
  define();
  return {
    entryFolder,
    open: async () => {
      const blessProgram = join(folder, "bless");
      const own = entries().find(({ version }) => version === running);
      const command = own === undefined ? "" : `mv ${own.file} ${blessedName(own)}`;
      writeFileSync(blessProgram, `#!/bin/sh\n[ "$1" = good ] || exit 1\ncd ${entryFolder} && ${command}\n`);
      chmodSync(blessProgram, 0o755);
      return new SysupdateSlots({
        keyrings: [shelf.keyring],
        credentials: "",
        transferFolders: [join(folder, "none"), transfers],
        definitions: join(folder, "run", "sysupdate.d"),
        program,
        blessProgram,
        running,
        entryFolder,
      });
    },
    boot: async () => {
      const chosen = loaderChoice(entries());
      if (chosen === undefined) throw new Error("nothing to boot");
      const started = startedName(chosen);
      if (started !== chosen.file) rename(chosen.file, started);
      running = chosen.version;
      rmSync(join(folder, "run"), { recursive: true, force: true });
      define();
    },
    publish: async (version, harm) => shelf.publish(version, harm),
    close: async () => await rm(folder, { recursive: true, force: true }),
  };
}
