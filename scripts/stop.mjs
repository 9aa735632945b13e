// npm stop: removes every trace of the cluster that npm start brought up. With --cache also what was downloaded and built.

import process from "node:process";
import { orExplain, runOnPinnedNode, setUpMachine, setUpNode } from "./setup.mjs";

await orExplain(async () => {
  setUpMachine();
  setUpNode();
  process.exitCode = await runOnPinnedNode(["scripts/tear-down.ts", ...process.argv.slice(2)]);
});
