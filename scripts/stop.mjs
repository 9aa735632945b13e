// npm stop: removes every trace of the cluster that npm start brought up. With --cache also what was downloaded and built.

import { existsSync } from "node:fs";
import process from "node:process";
import { orExplain, runOnPinnedNode, setUpMachine, setUpNode } from "./setup.mjs";

const traces = ["/var/lib/argosy/lab", "/var/cache/argosy"];

await orExplain(async () => {
  if (!traces.some((folder) => existsSync(folder))) {
    console.log(
      "There is nothing to remove: npm start was never run here, or npm stop has removed everything.",
    );
    return;
  }
  setUpMachine();
  setUpNode();
  process.exitCode = await runOnPinnedNode(["scripts/tear-down.ts", ...process.argv.slice(2)]);
});
