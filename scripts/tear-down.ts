import { rm } from "node:fs/promises";
import { labDown } from "../src/lab/lab.ts";
import { cacheFolder, usualLab } from "../src/lab/layout.ts";
import { labNames } from "../src/lab/record.ts";
import { sentenceOf } from "../src/lib/fault.ts";

/** What npm stop does: removes the lab of npm start and, when asked to, the cache. */

const name = process.env["ARGOSY_LAB"] || usualLab;
const withCache = process.argv.includes("--cache");

try {
  await labDown(name, (line) => console.log(`  ${line}`));
  console.log(`The lab "${name}" is gone: its processes, mounts, network and disks.`);
  const others = await labNames();
  if (!withCache) {
    console.log(`Kept for the next start: ${cacheFolder}. "npm stop -- --cache" removes it too.`);
  } else if (others.length > 0) {
    console.error(
      `${cacheFolder} is kept, because other labs lie on it: ${others.join(", ")}; remove them with build/argosy lab down --name NAME first`,
    );
    process.exitCode = 1;
  } else {
    await rm(cacheFolder, { recursive: true, force: true });
    console.log(`Removed ${cacheFolder} as well.`);
  }
} catch (error) {
  console.error(`npm stop failed: ${sentenceOf(error)}`);
  process.exitCode = 1;
}
