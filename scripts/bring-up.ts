import { stat } from "node:fs/promises";
import { sentenceOf } from "../src/lib/fault.ts";
import { spacedTable } from "../src/lib/table.ts";
import { runExample } from "../src/lab/example.ts";
import { labUp, type Lab } from "../src/lab/lab.ts";
import { usualLab } from "../src/lab/layout.ts";
import { builtProduct } from "../src/lab/product.ts";

/** What npm start does once all is set up: the cluster, the example on it, and a page on where everything is. */

const name = process.env["ARGOSY_LAB"] || usualLab;
const machineCount = 3;
const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () =>
    interrupt.abort(new Error("interrupted; npm start goes on from here, npm stop removes all")),
  );
}

try {
  const product = await builtProduct(say);
  const begun = performance.now();
  await nameTheReason();
  const lab = await labUp({
    name,
    machines: machineCount,
    product,
    progress: say,
    signal: interrupt.signal,
  });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`The cluster of ${lab.machines.length} machines works after ${seconds} s.`);
  console.log("Running the service-discovery example on it ...");
  await runExample(lab, say);
  console.log(await whereEverythingIs(lab));
} catch (error) {
  console.error(
    `npm start failed: ${sentenceOf(interrupt.signal.aborted ? interrupt.signal.reason : error)}`,
  );
  process.exitCode = 1;
}
process.exit();

function say(line: string): void {
  console.log(`  ${line}`);
}

async function nameTheReason(): Promise<void> {
  const there = await stat(`/var/lib/argosy/lab/${name}`).catch(() => undefined);
  console.log(`${there ? "Completing" : "Making"} the lab "${name}" of ${machineCount} machines ...`);
  say("as root: boots systemd-nspawn machines, connects them by a bridge of their own, mounts their disks");
}

async function whereEverythingIs(lab: Lab): Promise<string> {
  const { machines } = await lab.status();
  const flag = name === usualLab ? "" : ` --name ${name}`;
  const [first] = machines;
  return [
    "",
    ...spacedTable([
      ["MACHINE", "ADDRESS", "FLEET API", "KEYS API"],
      ...machines.map((machine) => [
        machine.name,
        machine.address,
        `${machine.fleetApi}/fleet/v1/units`,
        `${machine.keysApi}/v2/keys/`,
      ]),
    ]),
    "",
    `The example: web servers on every machine behind a balancer, http://${first?.address}/`,
    "",
    "Try next",
    `  build/argosy lab exec${flag} m1 -- fleetctl list-machines`,
    `  build/argosy lab exec${flag} m1 -- fleetctl list-units`,
    `  for n in 1 2 3; do curl http://${first?.address}/; done`,
    `  curl ${first?.keysApi}/v2/keys/?recursive=true`,
    `  build/argosy lab kill${flag} m2          cut a machine's power; revive brings it back`,
    "",
    "Look inside",
    `  build/argosy lab shell${flag} m1         a root shell on a machine`,
    `  build/argosy lab logs${flag} m1 -u fleet -f`,
    "",
    "npm stop removes all of it.",
  ].join("\n");
}
