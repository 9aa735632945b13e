import type { Command } from "../cli/command.ts";
import { Fault } from "../lib/fault.ts";
import { installProduct } from "./install.ts";

/** `argosy install`. */
export const installCommand: Command = {
  name: "install",
  summary: "Lay Argosy into a root file system, or onto this machine",
  usage: "",
  description:
    "Writes the commands, the daemons and their systemd units into the file system under --root and makes them start " +
    "at boot; on the running machine it also starts them. Only what differs is written, each file as a whole, and " +
    "settings files that are there already are left alone.",
  arity: { least: 0, most: 0 },
  flags: [
    {
      name: "root",
      kind: "text",
      placeholder: "DIR",
      summary: "the root of the file system",
      otherwise: "/",
    },
    { name: "dry-run", kind: "switch", summary: "say what would be done and write nothing" },
    { name: "no-enable", kind: "switch", summary: "lay the units, but neither enable nor start them" },
  ],
  examples: [
    { line: "argosy install --root /mnt/image", meaning: "make an image's machines part of a cluster" },
    { line: "argosy install --dry-run", meaning: "see what would change on this machine" },
  ],
  async run({ flags, stdout }) {
    const root = flags.text("root") ?? "/";
    const dryRun = flags.on("dry-run");
    if (root === "/" && !dryRun && process.getuid?.() !== 0) {
      throw new Fault(
        "not-root",
        "cannot install onto this machine without root; run it with sudo, or give --root DIR",
      );
    }
    await installProduct({
      root,
      dryRun,
      enable: !flags.on("no-enable"),
      log: (line) => stdout.write(`${line}\n`),
    });
    return 0;
  },
};
