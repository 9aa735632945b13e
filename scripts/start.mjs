// npm start: sets everything up, brings up a cluster of three machines, runs the example on it and tells where all is.

import process from "node:process";
import { orExplain, runOnPinnedNode, setUpMachine, setUpNode } from "./setup.mjs";

await orExplain(async () => {
  setUpMachine();
  setUpNode();
  process.exitCode = await runOnPinnedNode(["scripts/bring-up.ts", ...process.argv.slice(2)]);
});
