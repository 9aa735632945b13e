import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { entryOf, parseTransfer } from "../update/boot-entries.ts";
import { parseSums } from "../update/sums.ts";
import { compareVersions } from "../update/version-order.ts";

/**
 * For tests on machines without it: what systemd-sysupdate 257 does for one transfer of a file, in its order and with its
 * words. The real one passes the same suite in test/qemu.
 */
const definitions =
  process.argv.find((word) => word.startsWith("--definitions="))?.slice("--definitions=".length) ?? "";
const version = process.argv.at(-1) ?? "";
const [name = ""] = readdirSync(definitions);
const text = readFileSync(join(definitions, name), "utf8");
const { source, target } = parseTransfer(text);
const protectedVersion = /^ProtectVersion=(.*)$/m.exec(text)?.[1] ?? "";
const address = source["Path"] ?? "";
const folder = target["Path"] ?? "";
const patterns = (target["MatchPattern"] ?? "").split(" ");

function end(line: string): never {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

const list = await fetch(`${address}SHA256SUMS`);
const sums = parseSums(await list.text()) ?? [];
const wanted = sums.find((sum) => sum.name === (source["MatchPattern"] ?? "").replace("@v", version));
if (wanted === undefined) end(`Update '${version}' not found.`);

const there = readdirSync(folder).flatMap((file) => entryOf(patterns, file) ?? []);
if (there.some((entry) => entry.version === version)) {
  process.stderr.write(`Selected update '${version}' is already installed. Skipping update.\n`);
  process.exit(0);
}

// Room first: the oldest instances beyond InstancesMax go, but never the protected one.
const present = readdirSync(folder).flatMap((file) => entryOf(patterns, file) ?? []);
const oldestFirst = present.toSorted((a, b) => compareVersions(a.version, b.version));
for (const entry of oldestFirst
  .filter((each) => each.version !== protectedVersion)
  .slice(0, present.length - 1)) {
  rmSync(join(folder, entry.file));
}

process.stderr.write(`Pulling '${address}${wanted.name}', saving at '${folder}'.\nGot 42% of ${address}.\n`);
const response = await fetch(`${address}${wanted.name}`);
if (!response.ok) end(`HTTP request to ${address}${wanted.name} failed with code ${response.status}.`);
const content = Buffer.from(await response.arrayBuffer());
if (createHash("sha256").update(content).digest("hex") !== wanted.sha256) {
  end(`DOWNLOAD INVALID: Checksum of ${wanted.name} file did not check out, file has been tampered with.`);
}
const final = (patterns[0] ?? "")
  .replace("@v", version)
  .replace("@l", target["TriesLeft"] ?? "")
  .replace("@d", "0");
writeFileSync(join(folder, `.#${final}`), content);
renameSync(join(folder, `.#${final}`), join(folder, final));
process.stderr.write(`Successfully installed '${final}'.\n`);
