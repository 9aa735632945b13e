import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { isFault } from "../lib/fault.ts";
import { addressText, inheritedSockets, listen } from "./listen-sockets.ts";

test("descriptors count from 3 and carry their names", () => {
  const environment = { LISTEN_PID: "41", LISTEN_FDS: "3", LISTEN_FDNAMES: "fleet.socket::tcp" };
  assert.deepEqual(inheritedSockets(environment, 41), [
    { descriptor: 3, name: "fleet.socket" },
    { descriptor: 4, name: "unknown" },
    { descriptor: 5, name: "tcp" },
  ]);
});

test("sockets meant for another process, or none at all, are not ours", () => {
  assert.deepEqual(inheritedSockets({ LISTEN_PID: "40", LISTEN_FDS: "1" }, 41), []);
  assert.deepEqual(inheritedSockets({}, 41), []);
});

test("a number of sockets that cannot be is one clear sentence", () => {
  for (const count of ["many", "-1", "1.5", "1000000"]) {
    assert.throws(
      () => inheritedSockets({ LISTEN_PID: "41", LISTEN_FDS: count }, 41),
      (error) => isFault(error, "bad-listen-sockets") && error.message.includes(`"${count}"`),
    );
  }
});

test("a child serves on a socket that its parent opened as descriptor 3", async () => {
  const parent = createServer();
  await listen(parent, { host: "127.0.0.1", port: 0 });
  const { port } = parent.address() as AddressInfo;
  const module = new URL("./listen-sockets.ts", import.meta.url).href;
  const program = `
    import { createServer } from "node:net";
    const { listen, takeInheritedSockets } = await import(${JSON.stringify(module)});
    process.env.LISTEN_PID = String(process.pid);
    const [socket] = takeInheritedSockets();
    const server = createServer((connection) => connection.end(JSON.stringify([socket, process.env.LISTEN_FDS ?? null])));
    await listen(server, socket);
    process.stdout.write("listening");
    process.stdin.on("end", () => process.exit(0)).resume();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["pipe", "pipe", "inherit", Reflect.get(parent, "_handle")],
    env: { ...process.env, LISTEN_FDS: "1", LISTEN_FDNAMES: "web" },
  });
  try {
    assert.ok(child.stdout && child.stdin);
    await once(child.stdout, "data");
    const answered = once(connect(port, "127.0.0.1"), "data");
    // The parent holds the same socket, so either process may take a connection: the parent stops taking any.
    parent.close();
    assert.equal(String(await answered), '[{"descriptor":3,"name":"web"},null]');
  } finally {
    child.stdin?.end();
    await once(child, "exit");
  }
});

test("an address in use is one clear sentence", async () => {
  const first = createServer();
  await listen(first, { host: "127.0.0.1", port: 0 });
  try {
    const { port } = first.address() as AddressInfo;
    await assert.rejects(
      listen(createServer(), { host: "127.0.0.1", port }),
      (error) =>
        isFault(error, "cannot-listen") && error.message.startsWith(`cannot listen on 127.0.0.1:${port}: `),
    );
    assert.equal(addressText({ path: "/run/fleet.sock" }), "/run/fleet.sock");
  } finally {
    first.close();
  }
});
