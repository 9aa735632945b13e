// npm test: sets everything up, then checks the sources and runs all tests.
// npm run test:os runs the long tests of the operating system's image, which npm test leaves out.
// npm test -- PATTERN... runs only the test files with a PATTERN in their path.

import process from "node:process";
import { fileURLToPath } from "node:url";
import { orExplain, runOnPinnedNode, setUpMachine, setUpNode } from "./setup.mjs";

const patterns = process.argv.slice(2);

// Every test file and every server that one starts reads the same sources: their types are taken out once.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../node_modules/.cache/argosy", import.meta.url));

await orExplain(async () => {
  setUpMachine();
  setUpNode();
  const checked = patterns.length > 0 ? 0 : await runOnPinnedNode(["scripts/check.ts"]);
  const tested = await runOnPinnedNode(["scripts/run-tests.ts", ...patterns]);
  process.exitCode = checked || tested;
});
