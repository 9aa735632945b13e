// What Node's HTTP server answers when there is nothing to do, in a process of its own: `node empty-server.ts` says on standard
// output where it listens. The limit of servers that are built on it.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";

/** As long as the answer to a GET of a value of 64 bytes. */
const body = "x".repeat(140);

const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, ["Content-Type", "application/json", "Content-Length", String(body.length)]);
  response.end(body);
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`http://127.0.0.1:${port}\n`);
});
