import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { PlainHttp } from "./plain-http.ts";

/** A server that lets `serve` have each connection; `use` gets its port, and the connections so far. */
async function withServer(
  serve: (socket: Socket) => void,
  use: (port: number, sockets: readonly Socket[]) => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  try {
    await use(typeof address === "object" && address !== null ? address.port : 0, sockets);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** Answers every request with its own first line. */
function echo(socket: Socket): void {
  socket.setEncoding("latin1").on("data", (text: string) => {
    const line = text.slice(0, text.indexOf("\r\n"));
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
  });
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of body) text += Buffer.from(piece).toString("utf8");
  return text;
}

test("requests share a few connections, and one that was ended meanwhile is replaced", async () => {
  await withServer(echo, async (port, sockets) => {
    const http = new PlainHttp({ host: "127.0.0.1", port }, 2);
    const ask = async (path: string): Promise<string> =>
      await textOf((await http.send({ method: "GET", path, headers: {} })).body);
    const paths = Array.from({ length: 10 }, (_, at) => `/${at}`);
    assert.deepEqual(
      await Promise.all(paths.map(ask)),
      paths.map((path) => `GET ${path} HTTP/1.1`),
    );
    assert.equal(sockets.length, 2);
    for (const socket of sockets) socket.destroy();
    assert.equal(await ask("/again"), "GET /again HTTP/1.1");
  });
});

test("what could end a line of the request is not sent", async () => {
  await withServer(echo, async (port) => {
    const http = new PlainHttp({ host: "127.0.0.1", port }, 1);
    await assert.rejects(http.send({ method: "GET", path: "/", headers: { A: "x\r\nB: y" } }), /line break/);
    await assert.rejects(http.send({ method: "GET", path: "/ HTTP/1.1\r\nB: y", headers: {} }), /blank/);
    assert.equal((await http.send({ method: "GET", path: "/", headers: {} })).status, 200);
  });
});

test("a body that nobody reads waits at the server, and one that is given up ends the connection", async () => {
  const total = 8 * 1024 * 1024;
  let sent = 0;
  const serve = (socket: Socket): void => {
    const piece = Buffer.alloc(64 * 1024, "x");
    const more = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on("drain", more);
    socket.on("data", () => {
      sent = 0;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
      more();
    });
  };
  await withServer(serve, async (port, sockets) => {
    const http = new PlainHttp({ host: "127.0.0.1", port }, 1);
    const read = await http.send({ method: "GET", path: "/", headers: {} });
    assert.equal((await textOf(read.body)).length, total);
    const second = await http.send({ method: "GET", path: "/", headers: {} });
    const closed = new Promise((resolve) => sockets.at(-1)?.once("close", resolve));
    for await (const piece of second.body) {
      assert.ok(piece.length > 0);
      break;
    }
    await closed;
    assert.ok(sent < total);
  });
});
