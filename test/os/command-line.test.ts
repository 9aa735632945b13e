import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { machinesFolder, testImage } from "../qemu/images.ts";
import { blessedPattern, bootLimitMs, Machine } from "../qemu/machine.ts";

/** One machine whose user-data comes from an address on the kernel's command line, behind the network. */

const cloudConfig = `#cloud-config
hostname: harbour
coreos:
  fleet:
    metadata: from=command-line
write_files:
  - path: /etc/harbour
    content: calm
`;

const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? "");
  // The first try fails: the address has to be asked again.
  response.writeHead(asked.length === 1 ? 503 : 200);
  response.end(asked.length === 1 ? "" : cloudConfig);
});
let machine: Machine;

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { disk } = await testImage("1");
  machine = await Machine.start({
    name: "command",
    folder: `${machinesFolder}/command-${process.pid}`,
    image: disk,
    commandLine: `cloud-config-url=http://10.0.2.2:${port}/harbour.yml`,
  });
});

after(async () => {
  await machine?.[Symbol.asyncDispose]();
  server.close();
});

test("a machine asks the address on its kernel's command line for its cloud-config, and is what that says", async () => {
  await machine.console.waitFor(blessedPattern("1"), bootLimitMs);
  assert.deepEqual(asked, ["/harbour.yml", "/harbour.yml"]);
  assert.equal(await machine.expect("hostname; cat /etc/harbour"), "harbour\ncalm");
  assert.match(await machine.expect("fleetctl list-machines --no-legend"), /from=command-line/);
  const report = await machine.expect("argosy cloud-config status");
  assert.match(report, /the kernel's command line +applied/);
});
