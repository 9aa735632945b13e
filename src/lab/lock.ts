import { connect, createServer, type Server } from "node:net";
import { Fault } from "../lib/fault.ts";

/**
 * Does `work` while no other process does work under the same name. The lock is a socket in the kernel's abstract
 * name space: it leaves no file, goes away with its process however that ends, and whoever waits is told by the
 * closing connection.
 * @param waiting called once when somebody else holds the lock
 */
export async function withLock<T>(name: string, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const path = `\0argosy-lock-${name}`;
  let told = false;
  for (let turn = 0; turn < mostTurns; turn += 1) {
    const server = await tryListen(path);
    if (server !== undefined) {
      try {
        return await work();
      } finally {
        release(server);
      }
    }
    if (!told) waiting();
    told = true;
    await untilReleased(path);
  }
  throw new Fault(
    "locked",
    `Others hold the lock "${name}" again and again. Look at them with: ss -xlp | grep argosy-lock`,
  );
}

/** How often the lock may be lost to somebody who waited too. */
const mostTurns = 1000;

const waiters = new WeakMap<Server, Set<{ destroy(): void }>>();

async function tryListen(path: string): Promise<Server | undefined> {
  const server = createServer();
  const connections = new Set<{ destroy(): void }>();
  waiters.set(server, connections);
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => connections.delete(socket));
    socket.unref();
  });
  const { promise, resolve, reject } = Promise.withResolvers<Server | undefined>();
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") resolve(undefined);
    else reject(error);
  });
  server.listen(path, () => resolve(server));
  return await promise;
}

function release(server: Server): void {
  for (const socket of waiters.get(server) ?? []) socket.destroy();
  server.close();
}

/** Resolves when the holder lets go or ends. */
async function untilReleased(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(path);
  socket.on("error", () => resolve());
  socket.on("close", () => resolve());
  socket.resume();
  await promise;
}
