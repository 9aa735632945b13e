import { archives, debianTree } from "../../image/tools-tree.ts";
import { withLock } from "../../src/lab/lock.ts";

/** How QEMU is started. */
export interface Emulator {
  /** The program and its first arguments. */
  readonly words: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

const progress = (line: string): void => console.log(line);
let found: Promise<Emulator> | undefined;

/**
 * Debian 13's QEMU, in a tree of its own. With the one of Debian 12 (7.2) kernels panicked now and then, in code that
 * one emulated processor ran while the other was changing it; QEMU locks the page since 8.1.
 */
export async function emulator(): Promise<Emulator> {
  found ??= withLock(
    "emulator-tree",
    () => progress("Another command fetches QEMU; waiting for it"),
    async () => {
      const packages = ["qemu-system-x86"];
      const { signal } = new AbortController();
      return inTree(await debianTree("emulator", packages, await archives(), progress, signal));
    },
  );
  return await found;
}

/** A program of the tree with the tree's libraries; nothing has to be mounted, and it sees this computer's files. */
function inTree(tree: string): Emulator {
  const libraries = `${tree}/usr/lib/x86_64-linux-gnu`;
  return {
    words: [
      `${tree}/usr/lib64/ld-linux-x86-64.so.2`,
      "--library-path",
      libraries,
      `${tree}/usr/bin/qemu-system-x86_64`,
      "-L",
      `${tree}/usr/share/qemu`,
    ],
    variables: { QEMU_MODULE_DIR: `${libraries}/qemu` },
  };
}
