// node scripts/run.mjs FILE [ARGUMENT...]: does the set-up that FILE needs, then runs it on the pinned Node.

import process from "node:process";
import { orExplain, runOnPinnedNode, setUpMachine, setUpNode } from "./setup.mjs";

const [file = "", ...words] = process.argv.slice(2);

await orExplain(async () => {
  // These run on labs and real etcd processes, which need root and Debian's packages; the rest works anywhere.
  if (/^(bench|image|test\/soak|test\/fuzz)\//.test(file)) setUpMachine();
  setUpNode();
  process.exitCode = await runOnPinnedNode([file, ...words]);
});
